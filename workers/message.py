"""OpenAI's chat messages: what the hub itself reads of them. What else they hold passes as it is.

A message's shape depends on its role, so each role has one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from hub.errors import FieldError
from hub.fanout.pace import paced
from hub.shape import Shape, a


class Part(Shape, frozen=True):
    """A part of a content: text, a picture, or what its provider knows."""

    type: str

    words: ClassVar[str] = "an object with a type"
    beyond: ClassVar[Mapping[str, Any]] = {
        "if": {"properties": {"type": {"const": "text"}}},
        "then": {"properties": {"text": {"type": "string"}}, "required": ["text"]},
    }


_Content = str | Annotated[list[Part], a("a list of parts")]


class _Asking(Shape, frozen=True, tag_field="role"):
    content: _Content


class _Answering(Shape, frozen=True, tag_field="role"):
    content: _Content | None = None


class SystemMessage(_Asking, frozen=True, tag="system"):
    pass


class DeveloperMessage(_Asking, frozen=True, tag="developer"):
    pass


class UserMessage(_Asking, frozen=True, tag="user"):
    pass


class AssistantMessage(_Answering, frozen=True, tag="assistant"):
    pass


class ToolMessage(_Answering, frozen=True, tag="tool"):
    pass


class FunctionMessage(_Answering, frozen=True, tag="function"):
    pass


Message = (
    SystemMessage
    | DeveloperMessage
    | UserMessage
    | AssistantMessage
    | ToolMessage
    | FunctionMessage
)
Messages = Annotated[list[Message], a("a list of at least one message", min_length=1)]


def check_messages(
    messages: Sequence[Mapping[str, Any]], *, may_be_empty: bool = False
) -> Sequence[Mapping[str, Any]]:
    """The messages, whose shape was checked before. Raises `FieldError` for what a shape does not
    say. `may_be_empty`: also what the user says, as OpenAI has it."""
    for i, message in enumerate(paced(messages)):
        field, role, content = f"messages[{i}]", message["role"], message.get("content")
        if isinstance(content, list):
            _check_parts(content, f"{field}.content")
        if may_be_empty or content:
            continue
        if content is None and role == "assistant" and not _says(message):
            raise FieldError(f"{field}.content", "is missing")
        if content == [] or (content == "" and role == "user"):
            raise FieldError(f"{field}.content", "is empty")
    return messages


def _check_parts(parts: Sequence[Mapping[str, Any]], field: str) -> None:
    for i, part in enumerate(parts):
        if part["type"] == "text" and not isinstance(part.get("text"), str):
            raise FieldError(f"{field}[{i}].text", "must be a string")


def _says(message: Mapping[str, Any]) -> bool:
    """Whether an assistant's message without content says something all the same: a call, a
    refusal, audio, thoughts, or whatever else its provider has put in."""
    return any(value for name, value in message.items() if name not in ("role", "content", "name"))
