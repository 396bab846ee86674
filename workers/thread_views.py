"""Threads over HTTP: list, read, rename, delete. A turn is added by `POST /generations`."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint, Response, request

from hub.errors import NotFound
from hub.identity import Action
from hub.query import whole
from hub.shape import Shape, a, shaped
from hub.web.body import read_json
from hub.web.caller import caller_of
from hub.web.json_response import json_answer
from hub.web.publishing import check_json
from workers.guarded import GuardedGenerations
from workers.threads import MAX_NAME, PREFIX, Thread, Threads

DEFAULT_LIST = 50
MAX_LIST = 200
MAX_BODY_BYTES = 16 * MAX_NAME


class Rename(Shape, frozen=True):
    """The body of `PATCH /threads/{thread_id}`."""

    name: Annotated[
        str,
        a(
            f"a string of 1 to {MAX_NAME} characters that is not blank",
            pattern=r"\S",
            max_length=MAX_NAME,
        ),
    ]


def threads_blueprint(threads: Threads, generations: GuardedGenerations) -> Blueprint:
    blueprint = Blueprint("threads", __name__)

    @blueprint.get("/threads")
    def newest() -> Response:
        limit = whole(request.args, "limit", 1, MAX_LIST, default=DEFAULT_LIST)
        caller = caller_of(request.environ)
        caller.require_known()
        if caller.may(Action.OPERATE):
            found = threads.newest(limit)
        else:
            found = threads.newest(limit, caller.subject) if caller.subject else []
        return json_answer({"threads": [one.summary_json(caller.subject) for one in found]})

    @blueprint.get("/threads/<thread_id>")
    def inform(thread_id: str) -> Response:
        subject = caller_of(request.environ).subject
        return json_answer(_thread(thread_id, Action.INFORM).to_json(subject))

    @blueprint.patch("/threads/<thread_id>")
    def rename(thread_id: str) -> Response:
        thread = _thread(thread_id, Action.CHANGE)
        check_json(request)
        body = read_json(request, MAX_BODY_BYTES, generations.all.settings)[1]
        threads.rename(thread, shaped(body, Rename).name.strip())
        return inform(thread_id)

    @blueprint.delete("/threads/<thread_id>")
    def delete(thread_id: str) -> Response:
        """With all its generations; a running one is cancelled first."""
        thread = _thread(thread_id, Action.DELETE)
        for turn in thread.turns:
            try:
                generations.delete(turn.generation_id)
            except NotFound:
                pass  # expired, or deleted by itself
        threads.delete(thread)
        return Response(status=204)

    def _thread(thread_id: str, action: Action) -> Thread:
        caller = caller_of(request.environ)
        key = threads.key_to_read(caller.subject, thread_id)
        caller.require(action, PREFIX + key)
        return threads.get(key)

    return blueprint
