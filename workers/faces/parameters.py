"""What front ends send, and what of it becomes a question to a model."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any

from hub.errors import FieldError
from hub.shape import a
from workers.openai.chat_request import Asked, chat_request

MAX_NAME = 200

Name = Annotated[
    str, a(f"a string of 1 to {MAX_NAME} characters", min_length=1, max_length=MAX_NAME)
]
"""A conversation's, a message's or a run's, as the client chose it."""

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
    within: str = "",
) -> Asked:
    """The question as OpenAI's chat completions have it, checked as those are. `within`: where
    among what the client sent its parameters are, for the names in errors."""
    body: dict[str, Any] = {name: given[name] for name in TAKEN if given.get(name) is not None}
    if tools:
        body["tools"] = list(tools)
    body = {"model": None, **body, "messages": list(messages), "stream": True}
    try:
        return chat_request(body, models)
    except FieldError as error:
        field = error.field or ""
        if within and re.split(r"[.\[]", field)[0] in TAKEN:
            raise FieldError(f"{within}.{field}", error.problem, code=error.code) from None
        raise
