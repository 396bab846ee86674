"""The request's id on its answer, and its trace while the request is worked on.

An answer to one that only reads names the id that the request named, and none where it named none:
answers that are alike stay alike.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, request

from hub.trace import Trace, current
from hub.web.guards import SAFE_METHODS
from hub.web.request_head import RequestHead, head_of

REQUEST_ID = "X-Request-ID"
_KEY = "hubbub.trace"


def remember_trace(trace: Trace, environ: dict[str, Any]) -> None:
    """Keep it with the request, and as the one that this greenlet is busy with."""
    environ[_KEY] = trace
    current.set(trace)


def shown(trace: Trace, head: RequestHead) -> list[tuple[str, str]]:
    """The header of the answer to a request that `trace` was read from."""
    named = head.headers.get("x-request-id") == trace.request_id
    return [(REQUEST_ID, trace.request_id)] if named or head.method not in SAFE_METHODS else []


def register(app: Flask) -> None:
    """Let the answers of `app` name their requests."""

    @app.after_request
    def name(answer: Response) -> Response:
        trace: Trace | None = request.environ.get(_KEY)
        if trace is not None:
            for header, value in shown(trace, head_of(request.environ)):
                answer.headers.setdefault(header, value)
        return answer
