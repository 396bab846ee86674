"""A generation that has ended, in the words of OpenAI's chat completions: the answer or the error.

A failure becomes an HTTP status, which is what OpenAI's packages look at: they ask again after 429
and 5xx, so each answer also says whether that makes sense (`x-should-retry`).
"""

from __future__ import annotations

from typing import Any

from workers.answers import Answer
from workers.generation import Generation
from workers.provider import failure
from workers.transcript import with_all

_STATUS = {
    failure.RATE_LIMITED: 429,
    failure.REFUSED: 400,
    failure.CONTEXT_TOO_LONG: 400,
    failure.AUTH: 502,
    failure.UNAVAILABLE: 502,
    failure.MALFORMED: 502,
    failure.TRUNCATED: 502,
    failure.FIRST_DELTA_TIMEOUT: 504,
    failure.STALL_TIMEOUT: 504,
    "cancelled": 400,
}
"""Not 401 for `provider-auth`: it is not the caller's key that is wrong."""


def failure_status(code: str) -> int:
    return _STATUS.get(code, 500)


def failed(generation: Generation) -> tuple[int, str, str, bool] | None:
    """Status, code, words, and whether asking again makes sense; None where it completed."""
    terminal = generation.terminal
    if terminal is None or terminal.type == "completed":
        return None
    if terminal.type == "cancelled":
        by = terminal.data.get("by")
        return failure_status("cancelled"), "cancelled", f"cancelled by {by}", False
    code = terminal.data["code"]
    return failure_status(code), code, terminal.data["message"], terminal.data["retryable"]


def completion(given: Answer) -> dict[str, Any]:
    """The `chat.completion` object."""
    generation = given.generation
    choices = with_all(given.choices, range(generation.request.n), generation.finish_reasons)
    answer: dict[str, Any] = {
        "id": f"chatcmpl-{generation.id}",
        "object": "chat.completion",
        "created": generation.created_ms // 1000,
        "model": generation.model or "",
        "choices": [_choice(choice) for choice in choices],
    }
    usage = generation.terminal.data.get("usage") if generation.terminal else None
    if usage is not None:
        answer["usage"] = usage
    return answer


def _choice(choice: dict[str, Any]) -> dict[str, Any]:
    calls = choice["tool_calls"]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": choice["content"] or (None if calls or choice.get("refusal") else ""),
        "refusal": choice.get("refusal"),
    }
    if choice["reasoning"]:
        message["reasoning_content"] = choice["reasoning"]
    if calls:
        message["tool_calls"] = [
            {name: value for name, value in call.items() if name != "index"} for call in calls
        ]
    return {
        "index": choice["index"],
        "message": message,
        "logprobs": choice.get("logprobs"),
        "finish_reason": choice["finish_reason"] or ("tool_calls" if calls else "stop"),
    }
