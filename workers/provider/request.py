"""What a model is asked: the messages and OpenAI's parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

OWN_FIELDS = frozenset({"model", "messages", "stream"})
"""Fields of the body that are never taken from `extra`."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One question. `model` None: the configured one, or the provider's first.

    `extra`: any other field of OpenAI's chat completions (`top_p`, `response_format`, `logprobs`,
    `tool_choice`, …), passed on as it is.
    """

    messages: Sequence[Mapping[str, Any]]
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    n: int = 1
    stop: str | Sequence[str] | None = None
    tools: Sequence[Mapping[str, Any]] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def body(self, model: str) -> dict[str, Any]:
        """The JSON body of the request to a provider that calls the model `model`."""
        body = {name: value for name, value in self.extra.items() if name not in OWN_FIELDS}
        body["model"] = model
        body["messages"] = [dict(message) for message in self.messages]
        body["stream"] = True
        body["stream_options"] = {**_mapping(body.get("stream_options")), "include_usage": True}
        if self.temperature is not None:
            body["temperature"] = self.temperature
        if self.max_tokens is not None:
            body["max_tokens"] = self.max_tokens
        if self.n != 1:
            body["n"] = self.n
        if self.stop:
            body["stop"] = self.stop if isinstance(self.stop, str) else list(self.stop)
        if self.tools:
            body["tools"] = [dict(tool) for tool in self.tools]
        return body


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
