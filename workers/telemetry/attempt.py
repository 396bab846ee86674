"""The spans of one attempt at a generation."""

from __future__ import annotations

from dataclasses import dataclass

from hub.spans import Attributes, Span, Spans
from hub.trace import Trace
from workers.generation import Generation


@dataclass(frozen=True, slots=True)
class AttemptSpans:
    """`attempt` is the whole of it, `provider` the call within it."""

    attempt: Span
    provider: Span

    @classmethod
    def begin(cls, spans: Spans, generation: Generation) -> AttemptSpans:
        attributes: Attributes = {
            "hubbub.generation.id": generation.id,
            "hubbub.attempt": generation.attempt,
        }
        parent = generation.trace or Trace(generation.id)
        attempt = spans.begin("generation", parent, "consumer", attributes)
        if generation.attempt == 1:
            waited = generation.created_ms / 1000
            spans.begin("queued", attempt.trace, "internal", {}, waited).end({})
        model = {"gen_ai.request.model": generation.model} if generation.model else {}
        return cls(attempt, spans.begin("provider", attempt.trace, "client", model))

    def end(self, outcome: str, code: str, first_delta_at: float | None) -> None:
        """`code` is empty where it did not fail."""
        if first_delta_at is not None:
            self.provider.event("first delta", first_delta_at)
        self.provider.end({}, code)
        self.attempt.end({"hubbub.outcome": outcome}, code)
