"""Is this process alive, and can it work? (contract §8)"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response

from hub.errors import RedisUnavailable
from hub.event import compact_json
from hub.redis_link import RedisLink


def health_blueprint(link: RedisLink, worker_seen: Callable[[], bool]) -> Blueprint:
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz")
    def healthz() -> Response:
        """This process answers. Never asks Redis: a restart would not mend Redis."""
        return _answer(200, {"status": "ok"})

    @blueprint.get("/readyz")
    def readyz() -> Response:
        """Redis answers and a worker was seen."""
        try:
            link.call(lambda client: client.ping(), try_seconds=1.0)
            worker = worker_seen()
        except RedisUnavailable as error:
            return _answer(503, {"status": "redis-unavailable", "detail": error.detail})
        if not worker:
            return _answer(503, {"status": "no-worker", "detail": "no worker has been seen"})
        return _answer(200, {"status": "ready"})

    return blueprint


def _answer(status: int, body: object) -> Response:
    answer = Response(compact_json(body), status, content_type="application/json")
    answer.headers["Cache-Control"] = "no-store"
    return answer
