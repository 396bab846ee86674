"""OpenAI's responses (contract §5): in the foreground, in the background, resumed and cancelled.

A response is a generation under another name (`resp_` and its id), whichever way it was asked for,
so it can be retrieved and resumed for as long as the history lasts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request

from hub.errors import FieldError, NotFound
from hub.identity import Action
from hub.query import whole
from workers.generation import check_id
from workers.guarded import GuardedGenerations
from workers.openai.chat import OpenAIFace, named, refusal
from workers.openai.input_items import input_items, input_page
from workers.openai.responses_input import Messages
from workers.openai.responses_output import Output
from workers.openai.responses_request import ResponseAsked, messages_after, response_request
from workers.openai.responses_view import PREFIX, ResponseView, read_items, response_json
from workers.transcript import with_all

_ITEM = re.compile(r"[a-z]+_(.+)_(\d{1,6})")
"""An item's id: its kind, its generation, its number."""
MAX_SEQUENCE_NUMBER = 10**9 - 1
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


class _Past:
    """What a question may refer to: responses, and items of them, by id."""

    def __init__(self, generations: GuardedGenerations) -> None:
        self._generations = generations

    def messages(self, response_id: str) -> Messages:
        generation_id = _generation_id(response_id)
        answer = self._generations.read(generation_id)
        whole = self._generations.get(generation_id)
        (choice,) = with_all(answer.choices[:1], [0], {})
        return messages_after(whole.request, choice)

    def item(self, item_id: str) -> Mapping[str, Any] | None:
        named = _ITEM.fullmatch(item_id)
        if named is None:
            return None
        self._generations.require(named[1], Action.INFORM)
        _, output = read_items(self._generations.all.history, named[1])
        number = int(named[2])
        items = output.to_json()
        return items[number] if number < len(items) and items[number]["id"] == item_id else None


def responses_blueprint(face: OpenAIFace) -> Blueprint:
    blueprint = Blueprint("responses", __name__)
    generations = face.generations
    past = _Past(generations)

    @blueprint.post("/v1/responses")
    def create() -> Response:
        asked, generation = face.ask(
            lambda body: response_request(body, face.settings.models, past)
        )
        assert isinstance(asked, ResponseAsked)
        cancel = asked.cancel_on_disconnect and not asked.background
        if asked.stream:
            if not asked.background:
                _, failed = face.begun(generation, cancel_on_disconnect=cancel)
                if failed is not None:
                    return failed
            view = ResponseView.of(generation)
            return face.stream(generation, cancel_on_disconnect=cancel, view=view)
        if asked.background:
            return named(response_json(generation, Output(generation.id)), generation)
        answer = face.ended(generation, cancel_on_disconnect=cancel)
        return refusal(answer.generation) or _whole(generation.id, by_creator=True)

    @blueprint.get("/v1/responses/<response_id>")
    def retrieve(response_id: str) -> Response:
        starting_after = _starting_after()
        if not _flag("stream"):
            return _whole(_generation_id(response_id))
        generation = generations.get(_generation_id(response_id))
        view = ResponseView.of(generation, starting_after)
        return face.stream(generation, cancel_on_disconnect=False, view=view)

    @blueprint.get("/v1/responses/<response_id>/input_items")
    def asked_items(response_id: str) -> Response:
        generation = generations.get(_generation_id(response_id))
        items = input_items(generation.request, generation.id)
        return named(input_page(items, request.args), generation)

    @blueprint.post("/v1/responses/<response_id>/cancel")
    def cancel(response_id: str) -> Response:
        generations.cancel(_generation_id(response_id))
        return _whole(_generation_id(response_id))

    @blueprint.delete("/v1/responses/<response_id>")
    def delete(response_id: str) -> Response:
        generation = generations.brief(_generation_id(response_id), Action.DELETE)
        generations.delete(generation.id)
        return named({"id": response_id, "object": "response", "deleted": True}, generation)

    def _whole(generation_id: str, *, by_creator: bool = False) -> Response:
        """`by_creator`: the call that made it asks, which nobody else's question can be."""
        if not by_creator:
            generations.require(generation_id, Action.INFORM)
        history = generations.all.history
        generation, output = read_items(history, generation_id, by_creator=by_creator)
        return named(response_json(generation, output), generation)

    return blueprint


def _generation_id(response_id: str) -> str:
    if not response_id.startswith(PREFIX):
        raise NotFound(f"there is no response {response_id[:128]!r}")
    return check_id(response_id.removeprefix(PREFIX))


def _flag(name: str) -> bool:
    value = request.args.get(name, "false").lower()
    if value not in _FLAGS:
        raise FieldError(name, "must be true or false")
    return _FLAGS[value]


def _starting_after() -> int:
    """The sequence number of the last event that the client has; -1 where it has none."""
    return whole(request.args, "starting_after", 0, MAX_SEQUENCE_NUMBER, default=-1)
