"""Spans of a trace: what is begun and ended around a piece of work, where somebody collects them.

Only shapes: what keeps and sends spans is `workers.telemetry`, where the environment asks for it.
Without tracing None stands in place of `Spans`, and nothing is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from hub.trace import Trace

Kind = Literal["server", "consumer", "client", "internal"]
Attributes = Mapping[str, str | int | float]


class Span(Protocol):
    """One that has begun. `trace` is the one for whatever is done within it."""

    @property
    def trace(self) -> Trace: ...

    def event(self, name: str, at: float) -> None:
        """Something happened, `at` seconds since the epoch."""
        ...

    def end(self, attributes: Attributes, error: str = "") -> None:
        """It is over; `error` says in a word how it failed."""
        ...


class Spans(Protocol):
    """All spans of one process."""

    def begin(
        self, name: str, parent: Trace, kind: Kind, attributes: Attributes, at: float | None = None
    ) -> Span:
        """A span within `parent`, or the first of a trace where that has none; it began `at`
        seconds since the epoch, or now."""
        ...

    def close(self) -> None:
        """Send what is still to be sent."""
        ...
