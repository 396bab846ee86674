"""Generations over HTTP (contract §4): ask, read, watch, stop, share, delete.

A worker is not needed for any of it: a generation waits in its queue until there is one.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from flask import Blueprint, Response, request
from msgspec import UNSET, UnsetType

from hub.access.access import Access
from hub.errors import FieldError
from hub.fanout.delivery import Delivery
from hub.fanout.subscribe import SubscribeOptions
from hub.identity import Action
from hub.json_text import parse_json
from hub.query import whole
from hub.settings import Settings
from hub.shape import Shape, a, shaped
from hub.sse import CONTENT_TYPE
from hub.timestamp import rfc3339
from hub.web.body import json_limits, read_body, read_question
from hub.web.caller import caller_of
from hub.web.json_response import json_answer, long_json_answer
from hub.web.publishing import check_json, idempotency_key
from hub.web.request_head import head_of
from hub.web.stream_response import subscribe
from workers.dialects import dialect_of
from workers.generation import channel_of
from workers.guarded import GuardedGenerations
from workers.request import request_from_json
from workers.store import Created
from workers.threads import Threads, thread_of

DEFAULT_LIST = 20
MAX_LIST = 100
MAX_SHARE_BYTES = 1024
_EVENT_STREAM = CONTENT_TYPE.partition(";")[0]


class ShareOptions(Shape, frozen=True):
    """The body of `POST /generations/{id}/share`, which may be left out. A link lives at most as
    long as the history."""

    ttl_seconds: Annotated[int, a("a whole number of seconds, at least 1", ge=1)] | UnsetType = (
        UNSET
    )


def generations_blueprint(
    generations: GuardedGenerations, delivery: Delivery, threads: Threads, access: Access
) -> Blueprint:
    blueprint = Blueprint("generations", __name__)
    settings = delivery.settings

    @blueprint.post("/generations")
    def ask() -> Response:
        dialect = dialect_of(request.args.get("format"))
        options = _options()
        created = _create()
        generation = created.generation
        if not _wants_stream():
            accepted = generation.accepted_json(_prefix())
            first = 202
            if generation.request.producer:  # nothing is left to a worker
                first = 201
                accepted["deltas"] = f"{_prefix()}/generations/{generation.id}/deltas"
                accepted["lease_seconds"] = settings.lease_seconds
            answer = json_answer(accepted, first if created.first else 200)
        else:
            answer = subscribe(
                delivery, [generation.channel], dialect=dialect, start="start", options=options
            )
        answer.headers["Location"] = f"{_prefix()}/generations/{generation.id}"
        return answer

    @blueprint.get("/generations")
    def newest() -> Response:
        limit = whole(request.args, "limit", 1, MAX_LIST, default=DEFAULT_LIST)
        found = generations.newest(limit)
        listeners = delivery.counts([generation.channel for generation in found])
        prefix = _prefix()
        shown = [one.in_list(count, prefix) for one, count in zip(found, listeners, strict=True)]
        return json_answer({"generations": shown})

    @blueprint.get("/generations/<generation_id>")
    def inform(generation_id: str) -> Response:
        answer = generations.read(generation_id)
        generation = answer.generation
        listeners = delivery.count(generation.channel)
        shown = generation.to_json(answer.choices, listeners, _prefix(), answer.beside, answer.data)
        if generation.status == "queued":
            shown["ahead"] = generations.all.queue.ahead(generation_id)
        return long_json_answer(shown)

    @blueprint.get("/generations/<generation_id>/question")
    def question(generation_id: str) -> Response:
        """What was asked last, as it was given: all of it, its pictures too."""
        return long_json_answer({"content": generations.get(generation_id).request.asked})

    @blueprint.get("/generations/<generation_id>/events")
    def watch(generation_id: str) -> Response:
        channel = channel_of(generations.check_id(generation_id))
        dialect = dialect_of(request.args.get("format"))
        return subscribe(delivery, [channel], dialect=dialect, options=_options())

    @blueprint.post("/generations/<generation_id>/cancel")
    def cancel(generation_id: str) -> Response:
        generations.cancel(generation_id)
        return inform(generation_id)

    @blueprint.delete("/generations/<generation_id>")
    def delete(generation_id: str) -> Response:
        generations.delete(generation_id)
        return Response(status=204)

    @blueprint.post("/generations/<generation_id>/share")
    def share(generation_id: str) -> Response:
        """A link to the page. While nobody has to show a token, the plain address is one."""
        generation = generations.brief(generation_id, Action.SHARE)
        ttl_seconds = _ttl_seconds(settings)
        url = request.url_root.rstrip("/") + quote(generation.page, safe="/:@~")
        if not access.keyed:
            return json_answer({"url": url, "expires": None})
        link = access.shares.make(generation.channel, ttl_seconds)
        answer = json_answer(
            {"url": f"{url}?token={link.token}", "expires": rfc3339(link.expires), "jti": link.jti}
        )
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def _create() -> Created:
        generations.require_create()
        check_json(request)
        name = idempotency_key(head_of(request.environ))
        body, value = read_question(request, settings)
        asked = request_from_json(value, settings.models)
        repeat_key = generations.key(name, body)
        thread_id = thread_of(asked.metadata)
        if thread_id is None:
            return generations.create(asked, key=repeat_key)
        caller = caller_of(request.environ)
        thread_key = threads.key_for(caller.subject, thread_id)
        thread = threads.find(thread_key)
        if thread is not None:
            caller.require(Action.CHANGE, thread.channel)
            threads.check_room(thread)
        created = generations.create(asked, key=repeat_key)
        threads.add(thread_key, created.generation)
        return created

    def _options() -> SubscribeOptions:
        last_id = request.headers.get("Last-Event-ID")
        return SubscribeOptions.of(request.args, last_id, settings.heartbeat_seconds)

    return blueprint


def _wants_stream() -> bool:
    """Only who names the type: `*/*` is what every program sends that has thought of nothing."""
    accepted = request.accept_mimetypes
    return any(kind.lower() == _EVENT_STREAM and q > 0 for kind, q in accepted)


def _prefix() -> str:
    return head_of(request.environ).prefix


def _ttl_seconds(settings: Settings) -> int:
    """How long a link is to live, where the request says so; else as long as there is anything
    certain to see."""
    most = settings.history_seconds
    body = read_body(request, MAX_SHARE_BYTES, settings)
    if not body:
        return most
    check_json(request)
    given = shaped(parse_json(body, json_limits(settings)), ShareOptions).ttl_seconds
    if given is UNSET:
        return most
    if given > most:
        raise FieldError("ttl_seconds", f"must be a whole number from 1 to {most}")
    return given
