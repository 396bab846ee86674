"""`GET /openapi.json`: made once for each prefix that it is asked under, then the same bytes."""

from __future__ import annotations

from functools import lru_cache

from flask import Blueprint, Response, request

from hub.event import compact_json
from hub.settings import Settings
from hub.web.request_head import head_of
from hubbub.openapi.document import document
from hubbub.openapi.operating import PATH
from hubbub.openapi.values import JSON

_PREFIXES = 16


def openapi_blueprint(settings: Settings) -> Blueprint:
    blueprint = Blueprint("openapi", __name__)

    @lru_cache(_PREFIXES)
    def under(prefix: str) -> bytes:
        # A path without a host: the document's own scheme and host are the server's.
        return compact_json({**document(settings), "servers": [{"url": prefix or "/"}]}).encode()

    @blueprint.get(PATH)
    def openapi() -> Response:
        answer = Response(under(head_of(request.environ).prefix), content_type=JSON)
        answer.headers["Cache-Control"] = "no-cache"
        return answer

    return blueprint
