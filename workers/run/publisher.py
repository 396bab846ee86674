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

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from gevent import GreenletExit
from gevent.event import Event as Signal

from hub.errors import Refused
from hub.event import compact_json
from hub.fanout.pace import Pace
from hub.fanout.sender import Way
from hub.process import fresh_name
from hub.store.history import History, RecordWrite
from hub.store.producer import Producer
from hub.store.script import Call
from workers.generation import Generation, Terminal
from workers.provider import failure
from workers.provider.failure import ProviderFailure
from workers.provider.parts import Data, Delta
from workers.run import fault
from workers.run.pieces import Piece, Pieces, size_of

HELD_CHARS = 1 << 20
"""Characters of a generation that a worker holds while Redis is away or slow."""
FULL_SECONDS = 60.0
"""How long the model is held back once so much is held, before the run fails."""


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
        self._pieces = Pieces(max_event_bytes)
        self._fields: dict[str, str] = {}
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
        self._takes_more = True

    # ── from the provider's loop ─────────────────────────────────────────────────────────────

    def put(self, delta: Delta) -> bool:
        """Gather a delta. False: nothing more is taken, because it is over or Redis stays away.
        Raises `ProviderFailure` where the answer becomes too large; what came before stays."""
        if not self._takes_more:
            return False
        _, _, value, logprobs, carried = delta
        self._pieces.add(delta, self._count(value, logprobs, carried))
        return self._gathered()

    def put_data(self, part: Data) -> bool:
        """Gather a part of the application's own; as `put`."""
        if not self._takes_more:
            return False
        text = compact_json(part._asdict())
        self._count(text)
        self._pieces.add_data(text)
        return self._gathered()

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
        self._takes_more = False
        self._over.set()
        self._room.set()

    def _count(self, value: object, *beside: object) -> int:
        size = size_of(value)
        for each in beside:
            if each is not None:
                size += size_of(each)
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise ProviderFailure(
                failure.ANSWER_TOO_LARGE, "the answer is larger than HUB_MAX_ANSWER_BYTES allows"
            )
        return size

    def _gathered(self) -> bool:
        """See that what was put is sent; False where nothing more is taken."""
        if not self._ready and self._pieces:
            self._report()
        if self._is_full and not self._wait_for_room():
            return False
        return self._takes_more

    def _report(self) -> None:
        if not self._ready and not self._over.is_set():
            self._ready = True
            self._sender.ready(self)

    @property
    def _is_full(self) -> bool:
        return self._pieces.held > HELD_CHARS and not self._whole_batches

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
        self._pieces.stored(self._sizes)
        self.stored_at = self._now()
        if self._sizes and self.first_delta_at is None:
            self.first_delta_at = self.stored_at
        self._room.set()
        if self._ends:
            self.stored_end = True
            self.abandon()
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
        self._takes_more = False
        self._pieces.clear()
        self._fields = {}
        self._under_way = None
        self._room.set()
        self._on_over()
        return True

    def _next(self) -> Call:
        pieces = self._pieces.take(whole=self._whole_batches)
        try:
            return self._call(pieces)
        except GreenletExit:  # the sender is begun again, and asks once more
            self._pieces.put_back(pieces)
            raise

    def _call(self, pieces: Sequence[Piece]) -> Call:
        """Others run while what is long is encoded. Behind that nobody does: the count of batches
        and the call that bears it are one."""
        pace = Pace()
        events, lines, self._sizes = [], [], 0
        for piece in pieces:
            event, line = piece.encoded()
            events.append(event)
            lines.append(line)
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
