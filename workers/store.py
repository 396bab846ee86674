"""The generations in Redis: create, read, list, end, delete. Knows the keys of their indexes.

A generation is spread over three places, because a Cluster's scripts see one hash tag at a time:
the indexes (`{generations}`), its record with its channel (`{generation:<id>}`) and its job
(`{jobs}`). They are written in that order and every step may be repeated, so a crash between two
of them leaves either nothing that counts or something that the workers' sweep puts right: what is
in the index `open` and has a record, but no job, gets one. (One that its creator answers never has
a job: `silence`.)

Whoever ends a generation does it in one append that carries the terminal event and the record's
last fields, and only where the record still is what they read: of two that try, one is `Refused`,
looks again and finds it ended. Who cancels writes the end themselves, whatever the worker is doing:
the end is there at once also when that worker is paused, cut off or dead. The worker hears of it
by `Queue.announce_end`, by the refusal of its next append, or at its next renewal.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from hub.errors import HubError, KeyReused, NotFound, Refused, TooMany
from hub.settings import Settings
from hub.store.history import IDEMPOTENCY_SECONDS, History, IdempotencyKey, Producer, RecordWrite
from hub.store.redis_link import Script
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

_TAG = "generations"
_PAGE = 500
_TRIES = 50
_BUSY_SECONDS = 5
_REUSED = "this Idempotency-Key came with another body before"
_SETTLE_SECONDS = 60
"""An id in the index without a record for so long is the rest of a crash, not a birth."""

_CREATE = Script.load("workers", "create")


@dataclass(frozen=True, slots=True)
class Created:
    """`first` is False where an Idempotency-Key has led to an earlier generation."""

    generation: Generation
    first: bool


@dataclass(frozen=True, slots=True)
class Running:
    """How many generations may run at once of those that are counted as `whose`; 0: any number."""

    whose: str
    most: int


_UNLIMITED = Running("", 0)


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
        self._keys = history.link.keys
        self._index, self._open = self._keys.key(_TAG, "index"), self._keys.key(_TAG, "open")
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
        running: Running = _UNLIMITED,
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
        earlier = self._note(generation, key, running)
        if earlier is not None and earlier != generation.id:
            return Created(self._complete(replace(generation, id=earlier)), first=False)
        return Created(self._complete(generation), first=True)

    def earlier(self, key: IdempotencyKey) -> Generation | None:
        """The generation that this key has made. Raises `KeyReused`."""
        found = self.history.link.call(lambda client: client.get(self._once(key)))
        if not found:
            return None
        body_hash, _, generation_id = found.decode().partition(" ")
        if body_hash != key.body_hash:
            raise KeyReused(_REUSED)
        return self.brief(generation_id)

    def _note(
        self, generation: Generation, key: IdempotencyKey | None, running: Running
    ) -> str | None:
        keep_seconds = 2 * self.settings.history_seconds + 3600
        keys = [
            self._index,
            self._open,
            self._owners(generation.owner),
            self._once(key),
            self._keys.key(_TAG, f"running:{_short(running.whose)}"),
        ]
        args = [
            generation.id,
            generation.created_ms,
            key.body_hash if key else "",
            IDEMPOTENCY_SECONDS,
            generation.created_ms - keep_seconds * 1000,
            keep_seconds,
            running.most,
        ]
        found = self.history.link.run(_CREATE, keys, args, durable=True)
        if not found:
            return None
        if found[0] == b"busy":
            raise TooMany(
                f"at most {running.most} generations at once: wait until one has ended",
                code="too-many-running",
                headers={"Retry-After": str(_BUSY_SECONDS)},
            )
        if key is not None and found[0].decode() != key.body_hash:
            raise KeyReused(_REUSED)
        earlier: str = found[1].decode()
        return earlier

    def _complete(self, generation: Generation) -> Generation:
        """Write the record and the job, unless they are there already."""
        try:
            self.history.append(
                generation.channel,
                [generation.started_event] if generation.attempt else [],
                record=RecordWrite(expect={"status": ""}, fields=generation.first_fields()),
            )
        except Refused:
            # Sent before: by this call, or by the first with the same key. Or ended and deleted.
            generation = self.brief(generation.id)
        if generation.status == "queued":
            self.queue.enqueue(generation.id)
        elif generation.active and generation.request.producer:
            self.silence.begin(generation.id)
        return generation

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
        index = self._index if owner is None else self._owners(owner)
        # By their ids: one that is born between two pages moves the last one of the first page
        # into the second.
        found: dict[str, Generation] = {}
        at = 0
        while len(found) < limit:
            page = self._page(index, at, limit - len(found))
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
                    self._forget(generation_id, owner or "")
                    at -= 1
        return list(found.values())

    def _page(self, index: str, at: int, count: int) -> Sequence[tuple[str, float]]:
        """Ids and when they were created."""
        found = self.history.link.call(
            lambda client: client.zrevrange(index, at, at + count - 1, withscores=True)
        )
        return [(generation_id.decode(), created_ms) for generation_id, created_ms in found]

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
        self._forget(generation_id, generation.owner)

    def close(self, generation: Generation) -> None:
        """It has ended. What was not to be stored stays a little longer, for those behind."""
        self.not_open(generation.id)
        if not generation.request.store:
            self.history.expire(generation.channel, UNSTORED_SECONDS)
            self._forget(generation.id, generation.owner)

    def not_open(self, generation_id: str) -> None:
        """The sweep need not look at it any more."""
        self._remove(self._open, generation_id)

    def _forget(self, generation_id: str, owner: str) -> None:
        for index in (self._open, self._index, self._owners(owner)):
            self._remove(index, generation_id)

    def _remove(self, index: str, generation_id: str) -> None:
        self.history.link.call(lambda client: client.zrem(index, generation_id))

    # ── put right ────────────────────────────────────────────────────────────────────────────

    def sweep(self) -> int:
        """Enqueue every generation that has not ended and has no job; how many there were."""
        mended = at = 0
        while True:
            page = self._open_page(at)
            at += len(page)
            missing = self.queue.missing([generation_id for generation_id, _ in page])
            for generation_id in missing:
                created_ms = dict(page)[generation_id]
                mended += self._put_right(generation_id, created_ms)
            if len(page) < _PAGE:
                return mended

    def _open_page(self, at: int) -> Sequence[tuple[str, float]]:
        found = self.history.link.call(
            lambda client: client.zrange(self._open, at, at + _PAGE - 1, withscores=True)
        )
        return [(generation_id.decode(), created_ms) for generation_id, created_ms in found]

    def _put_right(self, generation_id: str, created_ms: float) -> int:
        try:
            generation = self.brief(generation_id)
        except NotFound:
            if self._was_lost(created_ms):
                self._forget(generation_id, "")
            return 0
        if generation.active and generation.request.producer:
            self.silence.begin(generation_id)
            return 0
        if generation.active:
            return self.queue.enqueue(generation_id)
        self.close(generation)
        return 0

    def _owners(self, owner: str) -> str:
        """The index of one owner's generations; the one of all where there is no owner."""
        if not owner:
            return self._index
        return self._keys.key(_TAG, f"of:{_short(owner)}")

    def _once(self, key: IdempotencyKey | None) -> str:
        return self._keys.key(_TAG, f"once:{key.key if key else ''}")


def _channel(generation_id: str) -> str:
    return channel_of(check_id(generation_id))


def _short(name: str) -> str:
    return sha256(name.encode()).hexdigest()[:40]
