"""`useChat()` of the AI SDK with nothing configured but its origin (contract §5).

    POST /api/chat               {id, messages, trigger, messageId}: ask; the stream of the answer
    GET  /api/chat/{id}/stream   the running answer from its start; 204 where nothing runs
    POST /api/chat/{id}/stop     stop it, for all who watch

Each answer is an ordinary generation: closing the request stops nothing, and every tab of a chat
sees the same answer. A chat is its owner's; without keys it is whoever's that knows its id.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from flask import Blueprint, Response

from hub.errors import FieldError
from workers.dialects.ai_sdk import HEADERS, AiSdk
from workers.faces.newest import Conversations
from workers.faces.parameters import asked, name_in, objects_in
from workers.faces.ui_messages import openai_messages
from workers.generation import Generation
from workers.openai.chat import OpenAIFace
from workers.openai.chat_request import Asked


def ai_sdk_blueprint(face: OpenAIFace) -> Blueprint:
    blueprint = Blueprint("ai_sdk", __name__)
    chats = Conversations(face.generations.all, "ai-sdk")

    @blueprint.post("/api/chat")
    def chat() -> Response:
        names: list[str] = []

        def parse(body: object) -> Asked:
            names.append(name_in(body, "id"))
            question = _asked(body, face.settings.models)
            names.append(_message_to_go_on_with(body))
            return question

        _, generation = face.ask(parse)
        chat_id, message_id = names
        chats.note(chat_id, generation, message_id)
        return stream(generation, message_id)

    @blueprint.get("/api/chat/<path:chat_id>/stream")
    def resume(chat_id: str) -> Response:
        newest = chats.newest(chat_id, face.generations.owner())
        if newest is None or not newest.generation.active:
            return Response(status=204)
        return stream(newest.generation, newest.run)

    @blueprint.post("/api/chat/<path:chat_id>/stop")
    def stop(chat_id: str) -> Response:
        newest = chats.newest(chat_id, face.generations.owner())
        if newest is not None:
            face.generations.cancel(newest.generation.id)
        return Response(status=204)

    def stream(generation: Generation, message_id: str) -> Response:
        view = AiSdk(generation.id, message_id=message_id)
        answer = face.stream(generation, cancel_on_disconnect=False, view=view)
        answer.headers.update(HEADERS)
        return answer

    return blueprint


def _asked(body: object, models: Collection[str]) -> Asked:
    if not isinstance(body, Mapping):
        raise FieldError("body", "must be a JSON object")
    messages = openai_messages(objects_in(body, "messages"))
    if not messages:
        raise FieldError("messages", "must be a list of at least one message")
    system = body.get("system")
    if isinstance(system, str) and system:
        messages.insert(0, {"role": "system", "content": system})
    return asked(messages, body, objects_in(body, "tools"), models)


def _message_to_go_on_with(body: object) -> str:
    """The id of the assistant's message that stands last, as where a page gives the output of its
    tools; '' where the answer is a message of its own."""
    messages = objects_in(body, "messages") if isinstance(body, Mapping) else []
    if not messages or messages[-1].get("role") != "assistant" or "id" not in messages[-1]:
        return ""
    return name_in(messages[-1], "id")
