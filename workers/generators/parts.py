"""What a generator is given and what it may yield."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workers.provider.parts import Data

__all__ = ["Data", "Finish", "GenerationFailed", "Reasoning", "Request", "ToolCall", "Usage"]


@dataclass(frozen=True)
class Request:
    """One question. `messages` are OpenAI's; `prompt` is the last thing that the user said, as
    text. `extra` has whatever else of OpenAI's parameters came with it.

    `attempt` counts from 1. `so_far` is the text of choice 0 that an earlier attempt has published,
    for a generator that `continues`; else ''.
    """

    id: str
    messages: Sequence[Mapping[str, Any]]
    prompt: str = ""
    model: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    stop: Sequence[str] = ()
    tools: Sequence[Mapping[str, Any]] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    owner: str = ""
    attempt: int = 1
    so_far: str = ""


@dataclass(frozen=True)
class Reasoning:
    text: str


@dataclass(frozen=True)
class ToolCall:
    """A whole call. `arguments` are JSON, as text or as an object; without an `id` it gets one."""

    name: str
    arguments: str | Mapping[str, Any] = "{}"
    id: str | None = None


@dataclass(frozen=True)
class Usage:
    """Tokens; `more` has what else is told of them, under OpenAI's names."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Finish:
    """`stop`, `length`, `tool_calls`, `content_filter`, or a word of one's own."""

    reason: str


class GenerationFailed(Exception):
    """Ends the generation `failed`, in these words and with this code, which clients see."""

    def __init__(
        self, message: str, *, code: str = "generator-failed", retryable: bool = False
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.retryable = retryable
