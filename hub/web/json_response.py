"""A JSON value as the answer to a request."""

from __future__ import annotations

from flask import Response

from hub.event import compact_json


def json_answer(
    body: object, status: int = 200, content_type: str = "application/json"
) -> Response:
    return Response(compact_json(body), status, content_type=content_type)
