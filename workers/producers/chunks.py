"""A body of `text/event-stream` in OpenAI's chunks: a provider's answer, piped through.

The providers' own parser reads it, so whatever dialect it is in comes out the same. Its events are
its lines; comments and blank lines are signs of life. `[DONE]` completes the answer, and so does a
body that ends when each of its choices has said why it ended; a body that ends before that may be
followed by another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hub.errors import FieldError
from hub.fanout.pace import Pace
from workers.generation import Terminal
from workers.producers.line import Completed, Line
from workers.provider import Finish, ProviderFailure, Said, Usage, failure
from workers.provider.answer import Answer
from workers.provider.sse_reader import MAX_EVENT_BYTES, EventTooLong, SseReader, WireEvent


class Chunks:
    """`n`: the number of the generation's choices."""

    def __init__(self, n: int) -> None:
        self._pace = Pace()
        self._answer = Answer(n, self._pace.step)
        self._reader = SseReader()
        self._number = 0
        self._ended = False

    def feed(self, data: bytes) -> Iterator[Line]:
        try:
            events = self._reader.feed(data)
        except EventTooLong:
            where = f"event {self._number + 1}"
            problem = f"is longer than {MAX_EVENT_BYTES} bytes"
            raise FieldError(where, problem, code="line-too-long") from None
        yield from self._lines(events)

    def last(self) -> Iterator[Line]:
        yield from self._lines(self._reader.end())

    def behind(self) -> Line | None:
        if self._ended:
            return None
        try:
            parts = self._answer.summary()
        except ProviderFailure:
            return None  # nothing has begun
        whole = self._answer.complete
        self._ended = whole
        return _summed(parts, whole=whole)

    def _lines(self, events: list[WireEvent]) -> Iterator[Line]:
        for event in events:
            self._number += 1
            self._pace.step()
            yield self._line(event)

    def _line(self, event: WireEvent) -> Line:
        try:
            parts = self._answer.take([event])
            failed = self._answer.failure
        except ProviderFailure as error:
            parts, failed = [], error
        if failed is not None:
            if failed.code == failure.MALFORMED:
                raise FieldError(f"event {self._number}", failed.detail)
            return Line(parts, end=_failed(failed))
        if self._answer.done and not self._ended:
            self._ended = True
            try:
                parts += self._answer.summary()
            except ProviderFailure as nothing:
                return Line(end=_failed(nothing))
            return _summed(parts, whole=True)
        return Line(parts)


def _summed(parts: Sequence[Said], *, whole: bool) -> Line:
    """The last parts, with what they say of the end in its place."""
    said = [part for part in parts if not isinstance(part, Finish | Usage)]
    usage = next((part.to_json() for part in parts if isinstance(part, Usage)), None)
    reasons = {part.index: part.reason for part in parts if isinstance(part, Finish)}
    return Line(said, usage, Completed(reasons) if whole else None)


def _failed(error: ProviderFailure) -> Terminal:
    return Terminal("failed", error.as_failed())
