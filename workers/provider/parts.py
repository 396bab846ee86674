"""What a provider's stream is made of once its dialect is gone.

Named tuples: one is made for every delta of every generation, and a frozen dataclass costs three
times as much to make.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from workers.provider.members import Carried

Kind = Literal["content", "reasoning", "refusal", "tool_calls", "carried"]


class Delta(NamedTuple):
    """A piece of choice `index`: text, a list of pieces of tool calls, or (`carried`, with an empty
    value) nothing but what stands beside them.

    `logprobs` is the provider's own object for this piece, where it was asked for; `carried` the
    members that the hub does not know (`members`), those around the choices among them.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody misses
    kind: Kind
    value: str | list[dict[str, Any]]
    logprobs: dict[str, Any] | None = None
    carried: Carried | None = None


class Model(NamedTuple):
    """The model's name as the provider says it; said once, before the first `Delta`."""

    name: str


class Finish(NamedTuple):
    """Why choice `index` ended: `stop`, `length`, `tool_calls`, `content_filter`, …"""

    index: int  # type: ignore[assignment]
    reason: str


class Usage(NamedTuple):
    """Tokens as the provider counted them, None where it did not; `more`: what else it tells of
    them (details, a cost, …), under its own names."""

    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    more: Mapping[str, Any] = MappingProxyType({})

    def to_json(self) -> dict[str, Any]:
        counted = self._asdict()
        del counted["more"]
        return {**{name: n for name, n in counted.items() if n is not None}, **self.more}


class Data(NamedTuple):
    """A part of an application's own: progress, sources, a chart. One with the `id` of an earlier
    one replaces it. (No provider says such a thing; generators and producers do.)"""

    name: str
    data: Any
    id: str | None = None


Part = Delta | Model | Finish | Usage
"""What a provider says."""

Said = Part | Data
"""What a run may be told by any source of answers."""
