"""One attempt's deltas on their way to its channel.

`put` gathers, `Sender` calls for what has been gathered: the first delta leaves at once, and what
comes while an append is under way leaves in one append behind it, adjacent deltas of one choice and
kind merged. Batches are numbered, and the record counts them: whatever is sent twice is stored
once, however long the answer took. Only the end of a run that could not be written has a producer's
name as well: nobody knows the count that it would find.

Every append expects the attempt's fence in the record. Where it is not there any more (another
worker has taken over, the generation was cancelled or deleted, Redis was emptied) nothing is
stored and `fenced` is set: this attempt is over, without a word. What cannot be written, or is
refused for good, is let go, and the generation's end with its reason (`failure`) takes its place.
`on_over` is called in both.

The model's pace is never Redis's pace: `put` does not wait, until `HELD_CHARS` are held. Then it
holds the model back for a while, and gives up when Redis does not return in time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from gevent import GreenletExit
from gevent.event import Event as Signal

from hub.errors import Refused
from hub.event import Event, compact_json
from hub.fanout.pace import Pace
from hub.fanout.sender import Way
from hub.process import fresh_name
from hub.store.history import History, Producer, RecordWrite
from hub.store.pipe import Call
from workers.generation import Generation, Terminal
from workers.provider import failure
from workers.provider.failure import ProviderFailure
from workers.provider.joining import joined_calls
from workers.provider.members import Carried
from workers.provider.parts import Data, Delta
from workers.run import fault
from workers.transcript import delta_json

HELD_CHARS = 1 << 20
"""Characters of a generation that a worker holds while Redis is away or slow."""
FULL_SECONDS = 60.0
"""How long the model is held back once so much is held, before the run fails."""

_MERGED_CHARS = 16_384
_BATCH_PIECES = 256
_BATCH_CHARS = 1 << 18
_OVERHEAD_BYTES = 64
_ESCAPED_BYTES = 6


class _Piece:
    """Deltas of one choice and kind that will be one event; one with logprobs, or with what is
    carried beside it, stays alone."""

    __slots__ = ("carried", "index", "kind", "logprobs", "parts", "size")

    def __init__(self, index: int, kind: str, logprobs: object, carried: Carried | None) -> None:
        self.index = index
        self.kind = kind
        self.logprobs = logprobs
        self.carried = carried
        self.parts: list[Any] = []
        self.size = 0


class Right(Protocol):
    """The right to write a generation (`claim.Claim`)."""

    @property
    def generation(self) -> Generation: ...

    @property
    def fence(self) -> str: ...


class Publisher:
    """`now` is in seconds since the epoch.

    `whole`: what was put is one append, however much it is, and `put` never waits; for one who
    sends by himself, piece by piece. `name` and `token` are for one who goes on behind another
    with the same right: a name of his own, and the record's count of batches.
    """

    def __init__(
        self,
        claim: Right,
        history: History,
        sender: Way,
        *,
        max_event_bytes: int,
        max_answer_bytes: int,
        now: Callable[[], float],
        on_over: Callable[[], None],
        whole: bool = False,
        name: str = "",
        token: str = "",
    ) -> None:
        self.channel = claim.generation.channel
        self.fenced = False
        self.failure: Terminal | None = None
        self.stored_end = False
        self.stored_at = now()
        self.first_delta_at: float | None = None
        self._id = claim.generation.id
        self._fence = claim.fence
        self._history = history
        self._sender = sender
        self._now = now
        self._on_over = on_over
        self.bytes_left = max_answer_bytes
        self._limit = max(1, (max_event_bytes - _OVERHEAD_BYTES) // _ESCAPED_BYTES)
        self._merged = min(self._limit, _MERGED_CHARS)
        self._pieces: list[_Piece] = []
        self._fields: dict[str, str] = {}
        self._held = 0
        self._terminal: Terminal | None = None
        self._whole_batches = whole
        self._name = name or claim.fence
        self._batch = 0
        self.token = token
        """The record's count of batches, as the newest one of here has it."""
        self._under_way: Call | None = None
        self._sizes = 0
        self._ends = False
        self._ready = False
        self._room = Signal()
        self._over = Signal()

    # ── from the provider's loop ─────────────────────────────────────────────────────────────

    def put(self, delta: Delta) -> bool:
        """Gather a delta. False: nothing more is taken, because it is over or Redis stays away.
        Raises `ProviderFailure` where the answer becomes too large; what came before stays."""
        if self._over.is_set() or self.failure is not None:
            return False
        index, kind, value, logprobs, carried = delta
        size = self._count(value, logprobs, carried)
        if isinstance(value, str):
            if len(value) > self._limit:
                cut = (len(value) - 1) // self._limit * self._limit
                for at in range(0, cut, self._limit):
                    self._gather(index, kind, value[at : at + self._limit], None, self._limit)
                value = value[cut:]
            if carried is not None:
                self._gather(index, kind, value, logprobs, size, carried)
            elif value or logprobs is not None:
                self._gather(index, kind, value, logprobs, len(value))
        else:
            *first, last = _bounded(value, self._limit) if size > self._limit else (value,)
            for calls in first:
                self._gather(index, kind, calls, None, _size(calls))
                size -= _size(calls)
            self._gather(index, kind, last, logprobs, max(0, size), carried)
        if self._is_full and not self._wait_for_room():
            return False
        return not self._over.is_set() and self.failure is None

    def put_data(self, part: Data) -> bool:
        """Gather a part of the application's own; as `put`."""
        if self._over.is_set() or self.failure is not None:
            return False
        text = compact_json(part._asdict())
        self._count(text)
        piece = _Piece(0, "data", None, None)
        piece.parts.append(text)
        piece.size = len(text)
        self._held += piece.size
        self._pieces.append(piece)
        self._report()
        if self._is_full and not self._wait_for_room():
            return False
        return not self._over.is_set() and self.failure is None

    def model(self, name: str) -> None:
        """The model's name as the provider says it: in the record with the next append."""
        self._fields["model"] = name

    def note(self, fields: Mapping[str, str]) -> None:
        """Fields of the record that are written with the next append."""
        self._fields |= fields

    def finish(self, terminal: Terminal) -> bool:
        """Publish what is held and the end, and wait; False where it was fenced or abandoned.
        Where `failure` is set, that is the end instead."""
        self.end_with(terminal)
        self._report()
        self._over.wait()
        return self.stored_end

    def end_with(self, terminal: Terminal) -> None:
        """Behind what is held comes the end; for one who sends by himself."""
        if self.failure is None:
            self._terminal = terminal

    def abandon(self) -> None:
        """Publish nothing more."""
        self._over.set()
        self._room.set()

    def _count(self, value: object, *beside: object) -> int:
        size = _size(value)
        for each in beside:
            if each is not None:
                size += _size(each)
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise ProviderFailure(
                failure.ANSWER_TOO_LARGE, "the answer is larger than HUB_MAX_ANSWER_BYTES allows"
            )
        return size

    def _gather(
        self,
        index: int,
        kind: str,
        value: Any,
        logprobs: object,
        size: int,
        carried: Carried | None = None,
    ) -> None:
        self._held += size
        pieces = self._pieces
        if pieces and logprobs is None and carried is None:
            last = pieces[-1]
            if (
                last.index == index
                and last.kind == kind  # never `data`: its parts stay apart
                and last.logprobs is None
                and last.carried is None
                and last.size + size <= self._merged
            ):
                last.parts.append(value)
                last.size += size
                return
        piece = _Piece(index, kind, logprobs, carried)
        piece.parts.append(value)
        piece.size = size
        pieces.append(piece)
        self._report()

    def _report(self) -> None:
        if not self._ready and not self._over.is_set():
            self._ready = True
            self._sender.ready(self)

    @property
    def _is_full(self) -> bool:
        return self._held > HELD_CHARS and not self._whole_batches

    def _wait_for_room(self) -> bool:
        give_up = self._now() + FULL_SECONDS
        while self._is_full and not self._over.is_set():
            self._room.clear()
            if not self._room.wait(max(0.0, give_up - self._now())):
                return False
        return True

    # ── from the sender ──────────────────────────────────────────────────────────────────────

    def call(self) -> Call | None:
        """The append to send now (`sender.Ready`)."""
        if self._over.is_set():
            return None
        if self._under_way is None:
            self._under_way = self._next()
        return None if self._over.is_set() else self._under_way

    def settle(self, reply: Any) -> bool:
        """It was carried out, or refused; True where there is more (`sender.Ready`)."""
        if self._over.is_set():
            return False
        if reply[0] != b"stored" and not self._was_stored(reply):
            self._fenced_off()
            return False
        self._under_way = None
        self._held -= self._sizes
        self.stored_at = self._now()
        if self._sizes and self.first_delta_at is None:
            self.first_delta_at = self.stored_at
        self._room.set()
        if self._ends:
            self.stored_end = True
            self._over.set()
            return False
        self._ready = bool(self._pieces) or self._terminal is not None
        return self._ready

    def broken(self, error: Exception) -> bool:
        """What is held cannot be stored: its reason takes its place (`sender.Ready`)."""
        if self._over.is_set():
            return False
        reason = fault.terminal_for(error, self._id)
        if self.failure is not None:  # not even that could be stored
            self.abandon()
            return False
        self.failure = self._terminal = reason
        self._pieces, self._fields, self._held = [], {}, 0
        self._under_way = None
        self._room.set()
        self._on_over()
        return True

    def _next(self) -> Call:
        pieces = self._take_pieces()
        try:
            return self._call(pieces)
        except GreenletExit:  # the sender is begun again, and asks once more
            self._pieces[:0] = pieces
            raise

    def _call(self, pieces: Sequence[_Piece]) -> Call:
        """Others run while what is long is encoded. Behind that nobody does: the count of batches
        and the call that bears it are one."""
        pace = Pace()
        events, lines, self._sizes = [], [], 0
        for piece in pieces:
            data = _data(piece)
            if piece.kind == "data":
                events.append(Event(data, "data"))
                data = f'{{"part":{data}}}'
            else:
                events.append(Event(data, "delta"))
            lines.append(data)
            self._sizes += piece.size
            pace.step()
        log = "".join([line + "\n" for line in lines]) if lines else None
        pace.step()
        now = self._now()
        self._batch += 1
        before, self.token = self.token, f"{self._batch}:{fresh_name()}"
        fields = {**self._fields, "batch": self.token}
        self._fields = {}
        if self._terminal is not None and not self._pieces:
            self._ends = True
            events.append(self._terminal.event)
            fields |= self._terminal.fields(int(now * 1000))
            del fields["fence"]
        expect = {"fence": self._fence}
        producer = None
        if self.failure is None:
            expect["batch"] = before
        else:  # nobody knows whether the batch before was carried out
            producer = Producer(self._name, self._batch, now, self.token.partition(":")[2])
        return self._history.append_call(
            self.channel,
            events,
            producer=producer,
            record=RecordWrite(expect, fields, log),
            ends=self._ends,
        )

    def _take_pieces(self) -> list[_Piece]:
        """The pieces of the next batch: one call's size is bounded, however much is held."""
        count, size = 0, 0
        if self._whole_batches:
            pieces, self._pieces = self._pieces, []
            return pieces
        for piece in self._pieces[:_BATCH_PIECES]:
            size += piece.size
            if count and size > _BATCH_CHARS:
                break
            count += 1
        pieces, self._pieces = self._pieces[:count], self._pieces[count:]
        return pieces

    def _was_stored(self, reply: Any) -> bool:
        """Whether an earlier sending of this very batch was carried out: then only the count of
        batches differs from what is expected."""
        try:
            self._history.appended(self.channel, reply)
        except Refused as refused:
            found = {name: value for name, value in refused.found.items() if name != "end"}
            return found == {"batch": self.token}
        return True

    def _fenced_off(self) -> None:
        self.fenced = True
        self.abandon()
        self._on_over()


def _data(piece: _Piece) -> str:
    if piece.kind == "data":
        text: str = piece.parts[0]
        return text
    if piece.kind == "tool_calls":
        value: Any = joined_calls([call for part in piece.parts for call in part])
    else:
        value = piece.parts[0] if len(piece.parts) == 1 else "".join(piece.parts)
    return delta_json(piece.index, piece.kind, value, piece.logprobs, piece.carried)


def _bounded(calls: list[dict[str, Any]], limit: int) -> Iterator[list[dict[str, Any]]]:
    """The pieces of tool calls one by one, and long arguments cut: they add up to the same."""
    for call in calls:
        kind = "custom" if "custom" in call else "function"
        name = "input" if kind == "custom" else "arguments"
        called = call.get(kind) or {}
        text = called.get(name) or ""
        yield [{**call, kind: {**called, name: text[:limit]}}]
        for at in range(limit, len(text), limit):
            yield [{"index": call["index"], kind: {name: text[at : at + limit]}}]


def _size(value: object) -> int:
    """About what it takes as UTF-8, for counting. What is carried may be megabytes, or thousands of
    values: no text is made of it, and others run meanwhile."""
    if isinstance(value, str):
        return _text_size(value)
    pace, size, left = Pace(), 0, [value]
    while left:
        inner = left.pop()
        if isinstance(inner, str):
            size += _text_size(inner)
        elif isinstance(inner, list | tuple):
            left += inner
        elif isinstance(inner, dict):
            left += inner  # its names
            left += inner.values()
        else:
            size += len(str(inner))
        pace.step()
    return size


def _text_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
