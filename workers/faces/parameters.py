"""Parameters of a request that front ends send beside their messages."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from hub.errors import FieldError
from workers.openai.chat_request import Asked, chat_request

MAX_NAME = 200

TAKEN = (
    "model", "temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "seed",
    "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort", "metadata",
)  # fmt: skip
"""OpenAI's names. What else a page sends is its own."""


def asked(
    messages: Sequence[Mapping[str, Any]],
    given: Mapping[str, Any],
    tools: Sequence[Mapping[str, Any]],
    models: Collection[str],
) -> Asked:
    """The question as OpenAI's chat completions have it, checked as those are."""
    body: dict[str, Any] = {name: given[name] for name in TAKEN if given.get(name) is not None}
    if tools:
        body["tools"] = list(tools)
    return chat_request({"model": None, **body, "messages": list(messages), "stream": True}, models)


def name_in(body: object, field: str, most: int = MAX_NAME) -> str:
    """A conversation's or a run's name, as the client chose it. Raises `FieldError`."""
    value = body.get(field) if isinstance(body, Mapping) else None
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise FieldError(field, f"must be a string of 1 to {most} characters")
    return value


def objects_in(body: Mapping[str, Any], name: str, within: str = "") -> list[Mapping[str, Any]]:
    """A list of objects; [] where there is none. Raises `FieldError`, which names it `within`."""
    value = body.get(name)
    if value is None:
        return []
    field = f"{within}.{name}" if within else name
    if not isinstance(value, list):
        raise FieldError(field, "must be a list of objects")
    for number, one in enumerate(value):
        if not isinstance(one, Mapping):
            raise FieldError(f"{field}[{number}]", "must be an object")
    return value
