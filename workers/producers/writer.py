"""A producer's lines on their way to the channel: each stored once, behind what was said before.

Any number of bodies may come, one after another or at once, by any web process. What they share is
in the record, and every append expects it there: the fence (gone or another's: the generation has
ended) and the count of batches (another: a body in another process has written meanwhile; then the
record is read again, and what is stored already is left out). In the same step the record counts
the lines, so a line with a number is stored once, however often it is sent (`progress`).

The bodies of one process take turns and share what they know of the record. Without that a body
that goes on writing, with one round trip a line, would be ahead of one that has to read the record
first, with two, for as long as it writes.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hub.errors import Overloaded, RedisUnavailable, Refused, RequestError, TooLarge
from hub.fanout.sender import Ready
from hub.process import fresh_name
from hub.store.history import APPEND, History, RecordWrite
from hub.store.pipe import unpacked
from workers.generation import (
    Generation,
    Terminal,
    channel_of,
    check_id,
    generation_of,
    unknown,
)
from workers.producers.line import Completed, End, Line
from workers.producers.progress import FIELDS, Progress
from workers.provider import Data, Delta, Model, ProviderFailure, Usage, cost, failure
from workers.run.publisher import Publisher
from workers.store import Generations
from workers.totals import ended

GROUP_LINES = 256
GROUP_CHARS = 1 << 18
"""One append holds no more lines, and ends with the one that makes it so large."""

_TRIES = 50
_PAUSE_SECONDS = 0.002
"""Most that a body waits before its first new try; the n-th waits up to n times as long."""


class Ended(RequestError):
    """The generation takes nothing any more, however it ended."""

    status = 409
    code = "ended"
    title = "The generation has ended"

    def __init__(self, status: str = "") -> None:
        super().__init__(f"the generation has ended{status and f': it is {status}'}")


class SequenceGap(RequestError):
    status = 409
    code = "sequence-gap"
    title = "Lines are missing in between"
    field = "Hubbub-Sequence"


@dataclass(frozen=True, slots=True)
class _Right:
    """`publisher.Right`."""

    generation: Generation
    fence: str


class Turn:
    """Of one generation in one process: who has the lock may read the record and write, and says
    what it found."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seen: Progress
        self.writer: Writer | None = None
        """The body that stored last: no other's publisher knows the record's batch."""


class Writer:
    """One body's. `sequence` is the number of its first line, where its sender has numbered it.
    Raises `NotFound` where no producer answers this generation."""

    def __init__(
        self,
        generations: Generations,
        generation_id: str,
        sequence: int | None,
        turn: Turn,
    ) -> None:
        self._generations = generations
        self._id = check_id(generation_id)
        self._turn = turn
        self._sequence = sequence
        self._publisher: Publisher | None = None
        self.ended = False
        """The end came with a line of this body."""
        with turn.lock:
            self._look()
        generation = self.generation
        if not generation.request.producer:
            raise unknown(generation_id)
        self._next = sequence if sequence is not None else self.next_sequence

    def begin(self) -> None:
        """Raises `Ended`, `SequenceGap` where this body has nothing to say."""
        generation, sequence = self.generation, self._sequence
        if self._next > self.next_sequence:
            raise SequenceGap(
                f"Hubbub-Sequence: the next line is {self.next_sequence}, {sequence} is behind it"
            )
        # A body whose answer was lost comes again, and has brought the end itself.
        repeats = sequence is not None and generation.status in ("completed", "failed")
        if not generation.active and not repeats:
            raise Ended(generation.status)

    @property
    def generation(self) -> Generation:
        return self._seen.generation

    @property
    def _seen(self) -> Progress:
        return self._turn.seen

    @property
    def next_sequence(self) -> int:
        """The number of the line that is to come next. The first is 1, or as its sender counts."""
        if self._seen.line is None:
            return 0 if self._sequence == 0 else 1
        return self._seen.line + 1

    def alive(self) -> None:
        """Its sender gives a sign of life. Raises `Ended`, `RedisUnavailable`."""
        if not self.generation.active:
            return
        self._generations.silence.heard(self._id)
        fence = {"fence": self.generation.fence}
        try:  # it also keeps the record from expiring
            self._generations.history.append(
                self.generation.channel, [], record=RecordWrite(fence, fence)
            )
        except Refused:
            with self._turn.lock:
                self._look()
            raise Ended(self.generation.status) from None

    def write(self, lines: Sequence[Line]) -> None:
        """Store these lines, the next ones of the body. Raises `Ended`, `RedisUnavailable`,
        `Overloaded` where bodies in other processes leave it no turn, and `TooLarge` where the
        answer became too large, which has ended the generation."""
        for group in _groups(lines):
            with self._turn.lock:
                self._write(group)
                self._next += len(group)

    def write_behind(self, line: Line) -> None:
        """Store what stands behind the body's last line, and is none itself."""
        with self._turn.lock:
            for _ in self._tries():
                last = self._next - 1
                repeated = self._sequence is not None and (
                    self._seen.behind == last or self.next_sequence > self._next
                )
                if repeated or not self.generation.active or self._store([line], behind=True):
                    return

    def _write(self, group: Sequence[Line]) -> None:
        for _ in self._tries():
            stored = 0
            if self._sequence is not None:
                stored = max(0, self.next_sequence - self._next)
            rest = group[stored:]
            if rest and not self.generation.active:
                raise Ended(self.generation.status)
            if not rest or self._store(rest):
                return

    def _tries(self) -> Iterator[None]:
        """Each but the first comes after a body of another process was ahead."""
        yield
        for number in range(1, _TRIES):
            time.sleep(random.uniform(0, number * _PAUSE_SECONDS))
            self._look()
            yield
        raise Overloaded(f"{self._id} is written by too many at once")

    def _store(self, lines: Sequence[Line], *, behind: bool = False) -> bool:
        """False where nothing was stored: something else has happened meanwhile."""
        mine = self._turn.writer is self and self._publisher
        publisher = mine or self._open()
        self._turn.writer = None  # where it raises, it is not used again
        seen = self._seen
        last = self.next_sequence - 1 + (0 if behind else len(lines))
        end: End | None = None
        try:
            for line in lines:
                end = line.end
                seen = _put(publisher, line, seen)
        except ProviderFailure as error:
            end = Terminal.failed(error.code, error.detail, retryable=False)
        seen = replace(
            seen,
            line=last,
            said=self._generations.settings.max_answer_bytes - publisher.bytes_left,
            behind=last if behind else seen.behind,
        )
        if seen.said and seen.first_delta_ms is None:
            since = self._generations.now_ms() - seen.generation.created_ms
            seen = replace(seen, first_delta_ms=max(0, since))
        publisher.note(seen.fields())
        terminal = self._terminal(end, seen)
        if terminal is not None:
            publisher.end_with(terminal)
        send_all(self._generations.history, publisher)
        if publisher.fenced:
            return False
        terminal = publisher.failure or terminal
        if terminal is None:
            self._publisher, self._turn.writer = publisher, self
            self._turn.seen = replace(seen, batch=publisher.token)
            return True
        self.ended = True
        first = seen.first_delta_ms
        self._generations.settle(
            seen.generation, ended(terminal.type, None if first is None else first / 1000)
        )
        self._look()
        if terminal.data.get("code") == failure.ANSWER_TOO_LARGE:
            raise TooLarge(terminal.data["message"], code=failure.ANSWER_TOO_LARGE)
        return True

    def _terminal(self, end: End | None, seen: Progress) -> Terminal | None:
        if not isinstance(end, Completed):
            return end
        generation, usage = seen.generation, end.usage or seen.usage
        reasons = dict.fromkeys(range(generation.request.n), "stop") | dict(end.reasons)
        price = end.cost
        if price is None and usage is not None:
            price = cost(_counted(usage), generation.model, self._generations.settings.prices)
        return Terminal.completed(reasons, usage, price)

    def _open(self) -> Publisher:
        seen, settings = self._seen, self._generations.settings
        fence = seen.generation.fence
        return Publisher(
            _Right(seen.generation, fence),
            self._generations.history,
            _Silent(),
            max_event_bytes=settings.max_event_bytes,
            max_answer_bytes=settings.max_answer_bytes - seen.said,
            now=self._generations.now,
            on_over=lambda: None,
            whole=True,
            name=f"{fence}.{fresh_name()}",
            token=seen.batch,
        )

    def _look(self) -> None:
        """What the record says now. The caller has the turn: nobody of this process is writing."""
        record = self._generations.history.record(channel_of(self._id), *FIELDS)
        self._turn.seen = Progress.of(generation_of(self._id, record, by_creator=True), record)
        self._turn.writer = None


class _Silent:
    """A publisher's sender that leaves it to `send_all`."""

    def ready(self, publisher: Ready) -> None: ...


def send_all(history: History, publisher: Ready) -> None:
    """Send what a publisher holds, and wait. What is refused for good is told to the publisher,
    which ends in its place; raises `RedisUnavailable`."""
    more = True
    while more:
        try:
            call = publisher.call()
            if call is None:
                return
            reply = history.link.run(APPEND, *unpacked(call), durable=True)
            more = publisher.settle(reply)
        except RedisUnavailable:
            raise
        except Exception as error:
            more = publisher.broken(error)


def _put(publisher: Publisher, line: Line, seen: Progress) -> Progress:
    """Hand the line to the publisher; what is known with it. Raises `ProviderFailure`."""
    for part in line.parts:
        if isinstance(part, Delta):
            publisher.put(part)
        elif isinstance(part, Data):
            publisher.put_data(part)
        elif isinstance(part, Model):
            publisher.model(part.name)
            seen = replace(seen, generation=replace(seen.generation, model=part.name))
    return replace(seen, usage=line.usage or seen.usage)


def _groups(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """What goes into one append each: a bounded number of lines, and nothing behind an end."""
    group: list[Line] = []
    size = 0
    for line in lines:
        group.append(line)
        size += sum(len(str(part)) for part in line.parts)
        if len(group) >= GROUP_LINES or size > GROUP_CHARS or line.end is not None:
            yield group
            group, size = [], 0
    if group:
        yield group


def _counted(usage: Mapping[str, Any]) -> Usage:
    more = {name: value for name, value in usage.items() if name not in Usage._fields}
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return Usage(prompt, completion, usage.get("total_tokens"), more)
