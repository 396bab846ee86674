"""A record's log, read from where the last reading ended.

The log grows by whole lines and is replaced when the generation is restarted. So what was read
once need not be read again: a reader goes on from its place, a page at a time, and takes longer
over a long log only by the clock, never in one step (`pace`). Two things say that the log is not
the one that was read before, and it is read from its beginning: another attempt, and a last few
bytes that are not what they were (a failover that has lost some, and new ones in their place).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from hub.fanout.pace import Pace
from hub.json_text import decode
from hub.store.history import History, Record

PAGE_BYTES = 512 * 1024
_OVERLAP_BYTES = 64


class Folding(Protocol):
    """What the deltas are added to."""

    def add(self, delta: Mapping[str, Any]) -> object: ...


F = TypeVar("F", bound=Folding)


class LogReader(Generic[F]):
    """`begin` makes the empty thing that a log is folded into; `fold` is what it has become.
    `fields` are those wanted of the record (`attempt` among them); none: all."""

    def __init__(
        self, history: History, channel: str, begin: Callable[[], F], fields: Sequence[str] = ()
    ) -> None:
        self._history = history
        self._fields = fields
        self._channel = channel
        self._begin = begin
        self._from_the_beginning("")

    def read(self) -> Record:
        """Go on to the log's end; the record, and the channel's state, of the moment in which that
        was its end. One reading at a time. Raises `RedisUnavailable`."""
        pace = Pace()
        while True:
            overlap = len(self._tail)
            record = self._history.record(
                self._channel,
                *self._fields,
                log_from=self.bytes - overlap,
                log_bytes=PAGE_BYTES,
            )
            attempt = record.fields.get("attempt", "")
            if attempt != self._attempt or not record.log.startswith(self._tail):
                again = bool(self.bytes)
                self._from_the_beginning(attempt)
                if again:
                    continue
            self._take(record.log[len(self._tail) :], pace)
            if self.bytes >= record.log_bytes:
                return record

    def _from_the_beginning(self, attempt: str) -> None:
        self.fold = self._begin()
        self.bytes = 0
        self._attempt = attempt
        self._tail = b""
        self._line = b""

    def _take(self, page: bytes, pace: Pace) -> None:
        self.bytes += len(page)
        self._tail = (self._tail + page)[-_OVERLAP_BYTES:]
        whole, end, rest = page.rpartition(b"\n")
        if not end:
            self._line += rest
            return
        begun, *lines = whole.split(b"\n")
        lines.insert(0, self._line + begun)
        self._line = rest
        add = self.fold.add
        for line in lines:
            if line:
                value = decode(line)
                pace.step()
                add(value)
            pace.step()
