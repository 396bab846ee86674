"""`POST /v1/embeddings`: asked of the provider and answered with what it says, as it says it.

Web processes have no key of a provider's, so a worker asks: as a generation that is listed nowhere
and gone a minute after its end (`store: false`), with its lease and its failures; the answer comes
as `data` parts. It counts for no limit of generations: texts are embedded by the thousand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from flask import Blueprint, Response, request

from hub.fanout.pace import joined
from hub.identity import Action
from hub.shape import Shape, a
from hub.web.body import read_question
from hub.web.caller import caller_of
from hub.web.publishing import check_json
from workers.openai.chat import OpenAIFace, refusal
from workers.openai.chat_request import allow, read
from workers.request import ModelName, Request


class EmbeddingsRequest(Shape, frozen=True):
    """Whatever else it holds is passed on."""

    input: str | Annotated[list[Any], a("a list")]
    model: ModelName | None = None


def embeddings_blueprint(face: OpenAIFace) -> Blueprint:
    """The blueprint `embeddings`."""
    blueprint = Blueprint("embeddings", __name__)

    @blueprint.post("/v1/embeddings")
    def embeddings() -> Response:
        caller = caller_of(request.environ)
        caller.require(Action.GENERATE)
        check_json(request)
        question, asked = read(read_question(request, face.settings)[1], EmbeddingsRequest)
        generations = face.generations.all
        made = generations.create(_request(question, asked, face), owner=caller.subject).generation
        answer = face.ended(made, cancel_on_disconnect=True)
        failed = refusal(answer.generation)
        return failed or Response(_whole(answer.data), content_type="application/json")

    return blueprint


def _request(question: EmbeddingsRequest, asked: Mapping[str, Any], face: OpenAIFace) -> Request:
    model = allow(question.model, face.settings.models)
    return Request(messages=[], model=model, extra=asked, embeddings=True, store=False)


def _whole(parts: list[Mapping[str, Any]]) -> bytes:
    return joined(str(part["data"]).encode() for part in parts)
