"""One line of a producer's body (or one event of it): what both forms of bodies are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from workers.generation import Terminal
from workers.provider import Said


@dataclass(frozen=True, slots=True)
class Completed:
    """The answer is whole. A choice without a reason ended by itself; `usage` and `cost` are what
    the producer says here, where it says any."""

    reasons: Mapping[int, str]
    usage: Mapping[str, Any] | None = None
    cost: float | None = None


End = Completed | Terminal


@dataclass(frozen=True, slots=True)
class Line:
    """`parts` are deltas, data, the model's name; `usage` is kept until the end."""

    parts: Sequence[Said] = ()
    usage: Mapping[str, Any] | None = None
    end: End | None = None


class Reader(Protocol):
    """One body's bytes → its lines. What is between them is a sign of life and no line."""

    def feed(self, data: bytes) -> Iterator[Line]:
        """The lines that are whole now. Raises `FieldError` at one that is wrong, which it names;
        those before it were yielded."""
        ...

    def last(self) -> Iterator[Line]:
        """The body ended, and was not broken off: what is left of it. Raises as `feed` does."""
        ...

    def behind(self) -> Line | None:
        """What the body's end says by itself, without a line."""
        ...
