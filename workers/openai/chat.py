"""OpenAI's chat completions and models (contract §5): what its packages speak, unchanged.

Each call is an ordinary generation: it is created, and the answer is its channel in the dialect
`openai`, or its record once it has ended. So any number of tabs can watch it (the header
`Hubbub-Generation` names it), and the client's leaving stops it only where the request asked so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import gevent
from flask import Blueprint, Response, request

from hub.errors import FieldError, Overloaded
from hub.fanout.channel_kind import View
from hub.fanout.delivery import Delivery
from hub.fanout.subscribe import SubscribeOptions
from hub.web.body import read_question
from hub.web.caller import caller_of
from hub.web.json_response import json_answer, long_json_answer
from hub.web.publishing import check_json, idempotency_key
from hub.web.request_head import head_of
from hub.web.stream_response import subscribe
from workers.answers import Answer
from workers.dialects.openai import OpenAI
from workers.generation import Generation
from workers.guarded import GuardedGenerations
from workers.openai.chat_request import Asked, UnknownModel, chat_request
from workers.openai.chat_response import completion
from workers.openai.error import error_answer
from workers.openai.waiting import Client, check_room, wait_for_content, wait_for_end

OWNER = "hubbub"
HEADER = "Hubbub-Generation"
HEAD_SECONDS = 10.0
"""How long a stream's head waits for the first of its answer (contract §5)."""
CANCEL_HEADER = "Hubbub-Cancel-On-Disconnect"


class OpenAIFace:
    """What the two APIs share: a generation made, streamed, waited for."""

    def __init__(
        self,
        generations: GuardedGenerations,
        delivery: Delivery,
        head_seconds: float = HEAD_SECONDS,
    ) -> None:
        self.generations = generations
        self.delivery = delivery
        self.settings = delivery.settings
        self._head_seconds = head_seconds

    def ask(self, parse: Callable[[object], Asked]) -> tuple[Asked, Generation]:
        """Check the current request and create its generation. Raises `HubError`."""
        self.generations.require_create()
        check_json(request)
        check_room(self.delivery, head_of(request.environ).address)
        name = idempotency_key(head_of(request.environ))
        body, value = read_question(request, self.settings)
        asked = parse(value)
        if self.settings.cancel_on_disconnect or _header_flag(CANCEL_HEADER):
            asked = replace(asked, cancel_on_disconnect=True)
        key = self.generations.key(name and f"{request.path} {name}", body)
        return asked, self.generations.create(asked.request, key=key).generation

    def begun(
        self, generation: Generation, *, cancel_on_disconnect: bool
    ) -> tuple[Generation, Response | None]:
        """Wait for the first of the answer, for a while. What has become of the generation, and its
        error where it failed before it said anything: with a status of its own every client sees
        it."""
        client = self._client(generation, cancel_on_disconnect)
        said = wait_for_content(self.delivery, generation.channel, client, self._head_seconds)
        found = self.generations.all.brief(generation.id, by_creator=True)
        return found, None if said else refusal(found)

    def stream(
        self,
        generation: Generation,
        *,
        cancel_on_disconnect: bool,
        view: View,
    ) -> Response:
        """The generation's stream from its start."""
        options = SubscribeOptions(
            None, "start", self.settings.heartbeat_seconds, True, True, True, heard=True
        )
        answer = subscribe(
            self.delivery,
            [generation.channel],
            view=view,
            options=options,
            when_left=self._canceller(generation) if cancel_on_disconnect else None,
        )
        answer.headers[HEADER] = generation.id
        return answer

    def ended(self, generation: Generation, *, cancel_on_disconnect: bool) -> Answer:
        """Wait for the end; the generation and its choices then. Raises `Overloaded` where this
        process ends before the generation does, `NotFound` where it was deleted."""
        client = self._client(generation, cancel_on_disconnect)
        wait_for_end(self.delivery, generation.channel, client)
        answer = self.generations.all.read(generation.id, by_creator=True)
        if answer.generation.active:
            raise Overloaded(f"this process is shutting down; generation {generation.id} goes on")
        return answer

    def _client(self, generation: Generation, cancel_on_disconnect: bool) -> Client:
        cancel = self._canceller(generation) if cancel_on_disconnect else _stay
        return Client(head_of(request.environ).address, request.environ, cancel)

    def _canceller(self, generation: Generation) -> Callable[[], None]:
        by = self.generations.by

        def cancel() -> None:  # called from the loop, where nothing may wait
            gevent.spawn(self.generations.all.cancel, generation.id, by)

        return cancel


def openai_blueprint(face: OpenAIFace, models: Callable[[], Sequence[str]]) -> Blueprint:
    """The blueprint `openai`. `models` lists what may be asked for; may raise `HubError`."""
    blueprint = Blueprint("openai", __name__)

    @blueprint.post("/v1/chat/completions")
    def chat_completions() -> Response:
        asked, generation = face.ask(lambda body: chat_request(body, face.settings.models))
        cancel = asked.cancel_on_disconnect
        if asked.stream:
            found, failed = face.begun(generation, cancel_on_disconnect=cancel)
            return failed or face.stream(found, cancel_on_disconnect=cancel, view=OpenAI.of(found))
        answer = face.ended(generation, cancel_on_disconnect=cancel)
        return refusal(answer.generation) or named(completion(answer), generation)

    @blueprint.get("/v1/models")
    def list_models() -> Response:
        caller_of(request.environ).require_known()
        return json_answer({"object": "list", "data": [_model(name) for name in models()]})

    @blueprint.get("/v1/models/<path:name>")
    def one_model(name: str) -> Response:
        caller_of(request.environ).require_known()
        if name not in models():
            raise UnknownModel(f"The model {name!r} does not exist here")
        return json_answer(_model(name))

    return blueprint


def refusal(generation: Generation) -> Response | None:
    """The error that a generation without an answer is; None where there is an answer."""
    terminal = generation.terminal
    if terminal is None or terminal.type == "completed":
        return None
    failed = terminal.data
    if terminal.type == "cancelled":
        words = f"cancelled by {failed.get('by')}"
        failed = {"code": "cancelled", "message": words, "retryable": False}
    answer = error_answer(failed)
    answer.headers[HEADER] = generation.id
    return answer


def named(body: object, generation: Generation) -> Response:
    answer = long_json_answer(body)
    answer.headers[HEADER] = generation.id
    return answer


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": OWNER}


def _header_flag(name: str) -> bool:
    value = request.headers.get(name, "0")
    if value not in ("0", "1"):
        raise FieldError(name, "must be 1 or 0")
    return value == "1"


def _stay() -> None:
    pass
