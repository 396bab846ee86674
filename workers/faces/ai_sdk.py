"""`useChat()` of the AI SDK with nothing configured but its origin (contract §5).

    POST /api/chat               {id, messages, trigger, messageId}: ask; the stream of the answer
    GET  /api/chat/{id}/stream   the running answer from its start; 204 where nothing runs
    POST /api/chat/{id}/stop     stop it, for all who watch

Each answer is an ordinary generation: closing the request stops nothing, and every tab of a chat
sees the same answer. A chat is its owner's; without keys anybody who knows its id may use it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any

from flask import Blueprint, Response

from hub.errors import FieldError
from hub.shape import Shape, a, shaped
from workers.dialects.ai_sdk import AiSdk
from workers.faces.newest import Conversations
from workers.faces.parameters import Name, asked
from workers.faces.ui_messages import UIMessage, openai_messages
from workers.generation import Generation
from workers.openai.chat import OpenAIFace
from workers.openai.chat_request import Asked
from workers.request import Tool


class Chat(Shape, frozen=True):
    """The body of `POST /api/chat`. Beside what it names, OpenAI's parameters are read
    (`parameters.TAKEN`); the rest is the page's own."""

    id: Name
    messages: Annotated[list[UIMessage], a("a list of at least one message", min_length=1)]
    system: Any = None
    tools: list[Tool] | None = None
    trigger: Any = None
    messageId: Any = None


def ai_sdk_blueprint(face: OpenAIFace) -> Blueprint:
    blueprint = Blueprint("ai_sdk", __name__)
    chats = Conversations(face.generations.all, "ai-sdk")

    @blueprint.post("/api/chat")
    def chat() -> Response:
        names: list[str] = []

        def parse(body: Any) -> Asked:
            given = shaped(body, Chat)
            names.extend((given.id, _message_to_go_on_with(given)))
            return _asked(body, face.settings.models)

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
        return face.stream(generation, cancel_on_disconnect=False, view=view)

    return blueprint


def _asked(body: Mapping[str, Any], models: Collection[str]) -> Asked:
    messages = openai_messages(body["messages"])
    if not messages:
        raise FieldError("messages", "hold nothing that a model could be asked")
    system = body.get("system")
    if isinstance(system, str) and system:
        messages.insert(0, {"role": "system", "content": system})
    return asked(messages, body, body.get("tools") or [], models)


def _message_to_go_on_with(chat: Chat) -> str:
    """The id of the assistant's message that stands last, as where a page gives the output of its
    tools; '' where the answer is a message of its own."""
    last = chat.messages[-1]
    return (last.id or "") if last.role == "assistant" else ""
