"""Threads over HTTP: list, read, rename, delete. A turn is added by `POST /generations`."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, request

from hub.errors import FieldError, NotFound
from hub.query import whole
from hub.web.body import read_json
from hub.web.json_response import json_answer
from workers.store import Generations
from workers.threads import MAX_NAME, Thread, Threads, check_name

DEFAULT_LIST = 50
MAX_LIST = 200
_MAX_BODY_BYTES = 16 * MAX_NAME


def threads_blueprint(
    threads: Threads, generations: Generations, subject: Callable[[], str] = lambda: ""
) -> Blueprint:
    """The blueprint `threads`. `subject()` is the caller's: '' where nobody has to say."""
    blueprint = Blueprint("threads", __name__)

    @blueprint.get("/threads")
    def newest() -> Response:
        limit = whole(request.args, "limit", 1, MAX_LIST, default=DEFAULT_LIST)
        found = threads.newest(limit, subject() or None)
        return json_answer({"threads": [thread.summary_json() for thread in found]})

    @blueprint.get("/threads/<thread_id>")
    def inform(thread_id: str) -> Response:
        return json_answer(threads.get(thread_id).to_json())

    @blueprint.patch("/threads/<thread_id>")
    def rename(thread_id: str) -> Response:
        thread = threads.get(thread_id)
        body = read_json(request, _MAX_BODY_BYTES, generations.settings)[1]
        if not isinstance(body, dict):
            raise FieldError("body", "must be a JSON object")
        threads.rename(thread, check_name(body.get("name")))
        return inform(thread_id)

    @blueprint.delete("/threads/<thread_id>")
    def delete(thread_id: str) -> Response:
        """With all its generations; a running one is cancelled first."""
        thread: Thread = threads.get(thread_id)
        for turn in thread.turns:
            try:
                generations.delete(turn.generation_id, subject() or "anonymous")
            except NotFound:
                pass  # expired, or deleted by itself
        threads.delete(thread)
        return Response(status=204)

    return blueprint
