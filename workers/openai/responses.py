"""OpenAI's responses (contract §5): in the foreground, in the background, resumed and cancelled.

A response is a generation under another name (`resp_` and its id), whichever way it was asked for,
so it can be retrieved and resumed for as long as the history lasts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, request

from hub.errors import FieldError, NotFound
from hub.query import whole
from workers.generation import check_id
from workers.openai.chat import OpenAIFace, named, refusal
from workers.openai.chat_request import Asked
from workers.openai.responses_output import Output
from workers.openai.responses_request import ResponseAsked, messages_after, response_request
from workers.openai.responses_view import PREFIX, ResponseView, read_items, response_json

_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def responses_blueprint(face: OpenAIFace) -> Blueprint:
    blueprint = Blueprint("responses", __name__)
    generations = face.generations

    @blueprint.post("/v1/responses")
    def create() -> Response:
        asked, generation = face.ask(_parse)
        assert isinstance(asked, ResponseAsked)
        cancel = asked.cancel_on_disconnect and not asked.background
        if asked.stream:
            view = ResponseView.of(generation)
            return face.stream(generation, cancel_on_disconnect=cancel, view=view)
        if asked.background:
            return named(response_json(generation, Output(generation.id)), generation)
        answer = face.ended(generation, cancel_on_disconnect=cancel)
        return refusal(answer.generation) or _whole(generation.id)

    @blueprint.get("/v1/responses/<response_id>")
    def retrieve(response_id: str) -> Response:
        starting_after = _starting_after()
        if not _flag("stream"):
            return _whole(_generation_id(response_id))
        generation = generations.get(_generation_id(response_id))
        view = ResponseView.of(generation, starting_after)
        return face.stream(generation, cancel_on_disconnect=False, view=view)

    @blueprint.post("/v1/responses/<response_id>/cancel")
    def cancel(response_id: str) -> Response:
        generations.cancel(_generation_id(response_id), face.by())
        return _whole(_generation_id(response_id))

    @blueprint.delete("/v1/responses/<response_id>")
    def delete(response_id: str) -> Response:
        generation = generations.brief(_generation_id(response_id))
        generations.delete(generation.id, face.by())
        return named({"id": response_id, "object": "response", "deleted": True}, generation)

    def _parse(body: object) -> Asked:
        return response_request(body, face.settings.models, _earlier)

    def _earlier(response_id: str) -> Sequence[Mapping[str, Any]]:
        generation, output = read_items(generations.history, _generation_id(response_id))
        return messages_after(generation.request, output.to_json())

    def _whole(generation_id: str) -> Response:
        generation, output = read_items(generations.history, generation_id)
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
    return whole(request.args, "starting_after", 0, 10**9 - 1, default=-1)
