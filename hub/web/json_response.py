"""A JSON value as the answer to a request."""

from __future__ import annotations

from itertools import chain

from flask import Response

from hub.event import compact_json
from hub.fanout.pace import json_parts


def json_answer(
    body: object, status: int = 200, content_type: str = "application/json"
) -> Response:
    return Response(compact_json(body), status, content_type=content_type)


def long_json_answer(body: object) -> Response:
    """One that may be of any size: what takes more than a step is written while it is sent, so that
    neither the other streams nor the memory feel how long it is."""
    parts = json_parts(body)
    first = next(parts)
    second = next(parts, None)
    if second is None:
        return Response(first, content_type="application/json")
    return Response(chain((first, second), parts), content_type="application/json")
