"""The generations in Redis: create, read, list, end, delete. Their indexes are `indexes`.

A generation is spread over three places, because a Cluster's scripts see one hash tag at a time:
the indexes (`{generations}`), its record with its channel (`{generation:<id>}`) and its job
(`{jobs}`). They are written in that order and every step may be repeated, so a crash between two
of them leaves either nothing that counts or something that the workers' sweep puts right: what is
in the index `open` and has a record, but no job, gets one. (One that its creator answers never has
a job: `silence`.)

A generation is ended in one append that carries the terminal event and the record's last fields.
The append counts only if the record has not changed since it was read: of two writers one is
`Refused`, reads again and finds the generation ended. A cancel writes the end itself, whatever the
worker is doing, so the end is there at once also when that worker is paused, cut off or dead. The
worker learns of it by `Queue.announce_end`, by the refusal of its next append, or at its next
renewal.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from hub.errors import HubError, NotFound, Refused
from hub.settings import Settings
from hub.store.history import (
    APPEND,
    History,
    IdempotencyKey,
    RecordWrite,
)
from hub.store.producer import Producer
from hub.trace import current
from workers.answers import Answer, Answers
from workers.generation import (
    BRIEF,
    Generation,
    Terminal,
    channel_of,
    check_id,
    generation_of,
    new_id,
)
from workers.indexes import UNLIMITED, Indexes, Running
from workers.provider.sse_reader import MAX_EVENT_BYTES
from workers.queue import Queue
from workers.request import Request
from workers.silence import Silence, lost_for_good
from workers.totals import ended

MIN_EVENT_BYTES = 2 * MAX_EVENT_BYTES
"""A generation's own events may always be so large: HUB_MAX_EVENT_BYTES is there for publishers.
Its text comes in smaller pieces, but a picture is as large as its provider's chunk."""

SOURCES = ("hub", "workers")
"""The packages that a version is made of (`hub.version.build`)."""

SCRIPT_PACKAGES = ("hub.store", "hub.access", "workers")
"""Whose scripts a process runs that has to do with generations (`store.server_check`)."""

UNSTORED_SECONDS = 60
"""How long an answer that was not to be stored (`store: false`) outlives its end: for listeners
that are behind. Nobody else finds it."""

_PAGE = 500
_TRIES = 50
_SETTLE_SECONDS = 60
"""An id in the index without a record for so long is the rest of a crash, not a birth."""


@dataclass(frozen=True, slots=True)
class Created:
    """`first` is False where an Idempotency-Key has led to an earlier generation."""

    generation: Generation
    first: bool


class Generations:
    """All generations on one Redis. `now` is in seconds since the epoch."""

    def __init__(
        self,
        history: History,
        queue: Queue,
        settings: Settings,
        *,
        now: Callable[[], float] = time.time,
        make_id: Callable[[], str] = new_id,
    ) -> None:
        self.settings = replace(
            settings, max_event_bytes=max(settings.max_event_bytes, MIN_EVENT_BYTES)
        )
        self.history = History(history.link, self.settings)
        self.answers = Answers(self.history, settings.folded_bytes)
        self.indexes = Indexes(history.link)
        self.queue = queue
        self.silence = Silence(history.link, settings.lease_seconds)
        self.now = now
        self._make_id = make_id

    def now_ms(self) -> int:
        return int(self.now() * 1000)

    # ── create ───────────────────────────────────────────────────────────────────────────────

    def create(
        self,
        request: Request,
        *,
        owner: str = "",
        key: IdempotencyKey | None = None,
        running: Running = UNLIMITED,
    ) -> Created:
        """Store a generation and enqueue it. Raises `KeyReused`, `TooMany`, `RedisUnavailable`."""
        generation = Generation(
            id=self._make_id(),
            request=request,
            status="queued",
            created_ms=self.now_ms(),
            model=request.model or (None if request.producer else self.settings.model),
            owner=owner,
            trace=current.get(),
        )
        if request.producer:  # nobody has to claim it
            generation = replace(
                generation,
                status="running",
                attempt=1,
                started_ms=generation.created_ms,
                fence=secrets.token_hex(8),
            )
        keep_seconds = 2 * self.settings.history_seconds + 3600
        earlier = self.indexes.note(generation, key, running, keep_seconds)
        if earlier is not None and earlier != generation.id:
            return Created(self._complete(replace(generation, id=earlier)), first=False)
        return Created(self._complete(generation), first=True)

    def earlier(self, key: IdempotencyKey) -> Generation | None:
        """The generation that this key has made. Raises `KeyReused`."""
        earlier = self.indexes.earlier(key)
        return None if earlier is None else self.brief(earlier)

    def _complete(self, generation: Generation) -> Generation:
        """Write the record and the job, unless they are there already."""
        record = RecordWrite(expect={"status": ""}, fields=generation.first_fields())
        if generation.status == "queued" and self._queued_at_once(generation, record):
            return generation
        try:
            self.history.append(
                generation.channel,
                [generation.started_event] if generation.attempt else [],
                record=record,
            )
        except Refused:
            # Sent before: by this call, or by the first with the same key. Or ended and deleted.
            generation = self.brief(generation.id)
        if generation.status == "queued":
            self.queue.enqueue(generation.id)
        elif generation.active and generation.request.producer:
            self.silence.begin(generation.id)
        return generation

    def _queued_at_once(self, generation: Generation, record: RecordWrite) -> bool:
        """Write the record and behind it the job in one round trip. False where that cannot be, or
        was not the first writing: step by step it is found out what there is."""
        keys, args = self.history.append_call(generation.channel, [], record=record)
        replies = self.history.link.run_in_turn(
            [(APPEND, keys, args), self.queue.enqueue_call(generation.id)]
        )
        return replies is not None and replies[0][0] == b"stored"

    # ── read ─────────────────────────────────────────────────────────────────────────────────

    def get(self, generation_id: str) -> Generation:
        """Raises `NotFound`."""
        return generation_of(generation_id, self.history.record(_channel(generation_id)))

    def brief(self, generation_id: str, *, by_creator: bool = False) -> Generation:
        """The same without the whole of what was asked. `by_creator`: see `generation_of`."""
        record = self.history.record(_channel(generation_id), *BRIEF)
        return generation_of(generation_id, record, by_creator=by_creator)

    def read(self, generation_id: str, *, by_creator: bool = False) -> Answer:
        """A generation, in brief, and its choices, of one moment."""
        return self.answers.read(generation_id, by_creator=by_creator)

    def newest(self, limit: int, owner: str | None = None) -> list[Generation]:
        """The newest first, in brief: everybody's, or one owner's."""
        # By their ids: one that is born between two pages moves the last one of the first page
        # into the second.
        found: dict[str, Generation] = {}
        at = 0
        while len(found) < limit:
            page = self.indexes.newest(owner or "", at, limit - len(found))
            if not page:
                break
            at += len(page)
            records = self.history.records([channel_of(one) for one, _ in page], *BRIEF)
            for (generation_id, created_ms), record in zip(page, records, strict=True):
                generation = Generation.from_fields(generation_id, record.fields)
                if generation is not None:
                    if generation.request.store:
                        found[generation_id] = generation
                elif self._was_lost(created_ms):
                    self.indexes.forget(generation_id, owner or "")
                    at -= 1
        return list(found.values())

    def _was_lost(self, created_ms: float) -> bool:
        """Whether an id that has no record will not get one any more."""
        return self.now_ms() - created_ms > _SETTLE_SECONDS * 1000

    # ── end ──────────────────────────────────────────────────────────────────────────────────

    def cancel(self, generation_id: str, by: str) -> Generation:
        """Stop a generation, running or not yet; one that has ended stays as it is. Its text so far
        is kept. Raises `NotFound`."""
        return self.end(generation_id, lambda _: Terminal.cancelled(by))

    def end(
        self, generation_id: str, terminal_for: Callable[[Generation], Terminal | None]
    ) -> Generation:
        """End a generation from outside of its run. `terminal_for` may decline with None."""
        for _ in range(_TRIES):
            generation = self.brief(generation_id)
            terminal = terminal_for(generation) if generation.active else None
            if terminal is None:
                return generation
            try:
                return self._end(generation, terminal)
            except Refused:
                continue  # claimed, restarted or ended in this very moment: look again
        raise HubError(f"{generation_id} changes hands all the time")

    def _end(self, generation: Generation, terminal: Terminal) -> Generation:
        now_ms = self.now_ms()
        fields = terminal.fields(now_ms)
        self.history.append(
            generation.channel,
            [terminal.event],
            # Ended by nobody else, so a second sending may be told from a second end.
            producer=Producer(f"end-{new_id()}", 1, now_ms / 1000),
            record=RecordWrite(
                expect={"status": generation.status, "fence": generation.fence}, fields=fields
            ),
            ends=True,
        )
        self.settle(generation, ended(terminal.type))
        return replace(
            generation, status=terminal.type, finished_ms=now_ms, fence="", terminal=terminal
        )

    def settle(self, generation: Generation, totals: Mapping[str, float]) -> None:
        """It has ended, and not by the worker that holds its job: count it, and tell all."""
        self.close(generation)
        if generation.request.producer:
            self.silence.forget(generation.id)
            self.queue.count(totals)
        else:
            self.queue.drop(generation.id, totals)
        self.queue.announce_end(generation.id)

    def end_lost(self) -> int:
        """End those whose producers are silent for too long; how many there were."""
        lost = self.silence.lost()
        for generation_id in lost:
            self.end_silent(generation_id)
        return len(lost)

    def end_silent(self, generation_id: str) -> None:
        """Its producer has been silent for too long."""
        try:
            self.end(generation_id, lambda _: lost_for_good(self.silence.patience_seconds))
        except NotFound:
            pass
        self.silence.forget(generation_id)

    def delete(self, generation_id: str, by: str) -> None:
        """Cancel it where it runs, then forget it. Raises `NotFound`."""
        generation = self.cancel(generation_id, by)
        self.history.delete(generation.channel)
        self.indexes.forget(generation_id, generation.owner)

    def close(self, generation: Generation) -> None:
        """It has ended. What was not to be stored stays a little longer, for those behind."""
        self.indexes.close(generation.id)
        if not generation.request.store:
            self.history.expire(generation.channel, UNSTORED_SECONDS)
            self.indexes.forget(generation.id, generation.owner)

    # ── put right ────────────────────────────────────────────────────────────────────────────

    def sweep(self) -> int:
        """Enqueue every generation that has not ended and has no job; how many there were."""
        mended = at = 0
        while True:
            page = dict(self.indexes.open_ones(at, _PAGE))
            at += len(page)
            for generation_id in self.queue.missing(list(page)):
                mended += self._put_right(generation_id, page[generation_id])
            if len(page) < _PAGE:
                return mended

    def _put_right(self, generation_id: str, created_ms: float) -> int:
        try:
            generation = self.brief(generation_id)
        except NotFound:
            if self._was_lost(created_ms):
                self.indexes.forget(generation_id, "")
            return 0
        if generation.active and generation.request.producer:
            self.silence.begin(generation_id)
            return 0
        if generation.active:
            return self.queue.enqueue(generation_id)
        self.close(generation)
        return 0


def _channel(generation_id: str) -> str:
    return channel_of(check_id(generation_id))
