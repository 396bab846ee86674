"""Pages of other origins (contract §2): allowed where `HUB_CORS_ORIGINS` names them."""

from __future__ import annotations

from flask import Flask, Response, request

_METHODS = "GET, HEAD, POST, DELETE, OPTIONS"
_ALLOWED = "Last-Event-ID, Authorization, Content-Type, Idempotency-Key"
_EXPOSED = "Location, Hubbub-Generation, Retry-After"


def register(app: Flask, origins: tuple[str, ...]) -> None:
    """Answer preflights and mark answers for the origins named (`*`: every one)."""

    @app.after_request
    def mark(answer: Response) -> Response:
        origin = request.headers.get("Origin")
        if origin is None:
            return answer
        answer.vary.add("Origin")
        if origin not in origins and "*" not in origins:
            return answer
        answer.headers["Access-Control-Allow-Origin"] = origin
        answer.headers["Access-Control-Allow-Credentials"] = "true"
        answer.headers["Access-Control-Expose-Headers"] = _EXPOSED
        if request.method == "OPTIONS":
            answer.headers["Access-Control-Allow-Methods"] = _METHODS
            answer.headers["Access-Control-Allow-Headers"] = _ALLOWED
            answer.headers["Access-Control-Max-Age"] = "7200"
        return answer
