"""Pages of other origins (contract §2): allowed where `HUB_CORS_ORIGINS` names them.

`*` lets every page read, and none of them with credentials.
"""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask, Response, request

from hub.web.request_head import RequestHead, head_of

_METHODS = "GET, HEAD, POST, PATCH, DELETE, OPTIONS"
_ALLOWED = (
    "Last-Event-ID, Authorization, Content-Type, Idempotency-Key, "
    "Hubbub-Cancel-On-Disconnect, Hubbub-Sequence"
)
_EXPOSED = "Location, Hubbub-Generation, Retry-After"


def headers(head: RequestHead, origins: Sequence[str]) -> list[tuple[str, str]]:
    """What the answer to this request says to a browser that shows another origin's page."""
    if not origins:
        return []
    origin = head.headers.get("origin", "")
    told = [("Vary", "Origin")]
    if origin.lower() in origins:
        told += [
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Allow-Credentials", "true"),
        ]
    elif origin and "*" in origins:
        told.append(("Access-Control-Allow-Origin", "*"))
    else:
        return told
    told.append(("Access-Control-Expose-Headers", _EXPOSED))
    if head.method == "OPTIONS":
        told += [
            ("Access-Control-Allow-Methods", _METHODS),
            ("Access-Control-Allow-Headers", _ALLOWED),
            ("Access-Control-Max-Age", "7200"),
        ]
    return told


def register(app: Flask, origins: Sequence[str]) -> None:
    """Answer preflights and mark answers for the origins named."""

    @app.after_request
    def mark(answer: Response) -> Response:
        for name, value in headers(head_of(request.environ), origins):
            if name == "Vary":
                answer.vary.add(value)
            else:
                answer.headers[name] = value
        return answer
