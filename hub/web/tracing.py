"""The request's id on its answer, and its trace while the request is worked on.

An answer to one that only reads names the id that the request named, and none where it named none:
answers that are alike stay alike.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, request

from hub.spans import Span, Spans
from hub.trace import Trace, current
from hub.web.guards import SAFE_METHODS
from hub.web.request_head import RequestHead, head_of

REQUEST_ID = "X-Request-ID"
_KEY = "hubbub.trace"
_SPAN = "hubbub.span"


def remember_trace(trace: Trace, environ: dict[str, Any]) -> None:
    """Keep it with the request, and as the one that this greenlet is busy with."""
    environ[_KEY] = trace
    current.set(trace)


def shown(trace: Trace, head: RequestHead) -> list[tuple[str, str]]:
    """The header of the answer to a request that `trace` was read from."""
    named = head.headers.get("x-request-id") == trace.request_id
    return [(REQUEST_ID, trace.request_id)] if named or head.method not in SAFE_METHODS else []


def register(app: Flask, spans: Spans | None = None) -> None:
    """Let the answers of `app` name their requests, and have a span of `spans` around each request
    that changes something, until its answer begins."""

    @app.after_request
    def name(answer: Response) -> Response:
        trace: Trace | None = request.environ.get(_KEY)
        if trace is not None:
            for header, value in shown(trace, head_of(request.environ)):
                answer.headers.setdefault(header, value)
        return answer

    if spans is not None:
        _register_spans(app, spans)


def _register_spans(app: Flask, spans: Spans) -> None:
    @app.before_request
    def begin() -> None:
        trace: Trace | None = request.environ.get(_KEY)
        if trace is None or request.method in SAFE_METHODS:
            return
        # The route, not the path: it names a kind of request, and shows no id.
        route = request.url_rule.rule if request.url_rule else "(no route)"
        attributes = {"http.request.method": request.method, "http.route": route}
        span = spans.begin(f"{request.method} {route}", trace, "server", attributes)
        request.environ[_SPAN] = span
        current.set(span.trace)

    @app.after_request
    def end(answer: Response) -> Response:
        span: Span | None = request.environ.pop(_SPAN, None)
        if span is not None:
            error = str(answer.status_code) if answer.status_code >= 500 else ""
            span.end({"http.response.status_code": answer.status_code}, error)
        return answer
