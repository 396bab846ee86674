"""A generation that has ended, as OpenAI's `chat.completion`: with everything that its provider
said, where the provider put it."""

from __future__ import annotations

from typing import Any

from workers.answers import Answer
from workers.openai.legacy import as_function_call
from workers.provider.members import CHOICE, CONTENT, unflat
from workers.transcript import with_all


def completion(given: Answer) -> dict[str, Any]:
    """The `chat.completion` object."""
    generation = given.generation
    choices = with_all(given.choices, range(generation.request.n), generation.finish_reasons)
    answer: dict[str, Any] = {
        **given.beside,
        "id": f"chatcmpl-{generation.id}",
        "object": "chat.completion",
        "created": generation.created_ms // 1000,
        "model": generation.model or "",
        "choices": [_choice(choice) for choice in choices],
    }
    if generation.request.functions:
        for choice in answer["choices"]:
            as_function_call(choice["message"])
    usage = generation.terminal.data.get("usage") if generation.terminal else None
    if usage is not None:
        answer["usage"] = usage
    return answer


def message_of(choice: dict[str, Any]) -> dict[str, Any]:
    """A choice of the record as the message of an assistant."""
    calls = choice["tool_calls"]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": choice["content"] or (None if calls or choice.get("refusal") else ""),
        "refusal": choice.get("refusal"),
    }
    if choice["reasoning"]:
        message["reasoning_content"] = choice["reasoning"]
    if calls:
        message["tool_calls"] = calls
    for (place, name), value in unflat(choice).items():
        if place != CHOICE:
            message["content" if place == CONTENT else name] = value
    return message


def _choice(choice: dict[str, Any]) -> dict[str, Any]:
    carried = {name: value for (place, name), value in unflat(choice).items() if place == CHOICE}
    return {
        **carried,
        "index": choice["index"],
        "message": message_of(choice),
        "logprobs": choice.get("logprobs"),
        "finish_reason": choice["finish_reason"]
        or ("tool_calls" if choice["tool_calls"] else "stop"),
    }
