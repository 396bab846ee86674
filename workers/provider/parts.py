"""What a provider's stream is made of once its dialect is gone.

Named tuples: one is made for every delta of every generation, and a frozen dataclass costs three
times as much to make.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

Kind = Literal["content", "reasoning", "refusal", "tool_calls"]


class Delta(NamedTuple):
    """A piece of choice `index`: text, or a list of pieces of tool calls.

    `logprobs` is the provider's own object for this piece, where it was asked for.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody misses
    kind: Kind
    value: str | list[dict[str, Any]]
    logprobs: dict[str, Any] | None = None


class Model(NamedTuple):
    """The model's name as the provider says it; said once, before the first `Delta`."""

    name: str


class Finish(NamedTuple):
    """Why choice `index` ended: `stop`, `length`, `tool_calls`, `content_filter`, …"""

    index: int  # type: ignore[assignment]
    reason: str


class Usage(NamedTuple):
    """Tokens as the provider counted them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


Part = Delta | Model | Finish | Usage
