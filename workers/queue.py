"""Jobs: which generation waits for a worker, and which worker has a lease on it.

A Redis stream with one consumer group; this is the only place that knows its keys. A job in a
worker's hands is an entry in the group's pending list, and its lease is the time since it was last
renewed there: no clock but Redis' is asked. A worker renews every fifth of a lease; a job that was
not renewed for three quarters of one has lapsed, and the worker that asks next takes it over. So
another worker has it within the lease.

Promised: a job is claimed by one worker at a time (who was paused past its lease is told so by
`renew`, and its writes are refused by the record's fence, which is not this module's); an id has at
most one job; a lost reply to a claim lapses like a dead worker's. The stream may vanish altogether
(FLUSHALL, a failover): the group is made again and the sweep (`worker`) brings the jobs back.

All keys have one hash tag, so every script works in a Cluster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import methodcaller
from typing import Any

from redis.exceptions import ResponseError

from hub.store.redis_link import TRY_SECONDS, RedisLink
from hub.store.script import Script, ScriptCall

BLOCK_SECONDS = 2.0
"""How long a claim waits for a job: well under the link's socket timeout, or it would be cut off
while an entry is on its way."""

GROUP = "workers"
_TAG = "jobs"
_GONE_MS = 3_600_000
_COUNTED_AHEAD = 1_000


_ENQUEUE = Script.load("workers", "jobs", "enqueue")
_MISSING = Script.load("workers", "jobs", "missing")
_RENEW = Script.load("workers", "jobs", "renew")
_FINISH = Script.load("workers", "jobs", "finish")
_RELEASE = Script.load("workers", "jobs", "release")
_TAKE_OVER = Script.load("workers", "jobs", "take_over")
_TIDY = Script.load("workers", "jobs", "tidy")
_COUNTS = Script.load("workers", "jobs", "counts")
_AHEAD = Script.load("workers", "jobs", "ahead")
_ALIVE = Script.load("workers", "jobs", "workers")
_UNWELL = Script.load("workers", "jobs", "unwell")


@dataclass(frozen=True, slots=True)
class Job:
    """One generation in a worker's hands. `claimed` is on the worker's monotonic clock."""

    entry: str
    generation_id: str
    claimed: float


@dataclass(frozen=True, slots=True)
class LivingWorker:
    """`alive_ms`: how long it still counts as alive unless it says so again."""

    name: str
    alive_ms: int
    jobs: int


@dataclass(frozen=True, slots=True)
class Counts:
    """`workers`: how many live and are well; `unwell`: the others, each in a few words; `totals`:
    sums since Redis was empty, under the names that `finish` was given."""

    queued: int
    running: int
    workers: int
    unwell: Sequence[str]
    totals: Mapping[str, float]


class Queue:
    """The jobs as one worker (`consumer`), or a process that only enqueues, sees them."""

    def __init__(
        self,
        link: RedisLink,
        lease_seconds: float,
        consumer: str = "",
        *,
        block_seconds: float = BLOCK_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link = link
        keys = link.keys
        self._stream, self._entries = keys.key(_TAG, "stream"), keys.key(_TAG, "entries")
        self._polled, self._workers = keys.key(_TAG, "polled"), keys.key(_TAG, "workers")
        self._totals = keys.key(_TAG, "totals")
        self.control = keys.pubsub(_TAG, "control")
        """The pub/sub channel on which the ids of ended generations are told to the workers."""
        self._consumer = consumer
        self._block_ms = int(block_seconds * 1000)
        self._clock = clock
        self.lease_seconds = lease_seconds
        self.lapse_seconds = 0.75 * lease_seconds
        self.renew_seconds = lease_seconds / 5
        self.poll_seconds = lease_seconds / 10

    # ── for everybody ────────────────────────────────────────────────────────────────────────

    def enqueue(self, *generation_ids: str) -> int:
        """Make a job for each that has none; how many were made."""
        return int(self._link.run(_ENQUEUE, [self._stream, self._entries], generation_ids))

    def enqueue_call(self, generation_id: str) -> ScriptCall:
        """`enqueue` for one who sends it with something else."""
        return _ENQUEUE, [self._stream, self._entries], [generation_id]

    def missing(self, generation_ids: Sequence[str]) -> list[str]:
        """Those that have no job."""
        found = self._link.run(_MISSING, [self._stream, self._entries], generation_ids)
        return [generation_id.decode() for generation_id in found]

    def drop(self, generation_id: str, totals: Mapping[str, float]) -> bool:
        """End a generation's job, whichever worker holds it, and count it; False if it has none."""
        return self._finish(generation_id, "", totals, TRY_SECONDS)

    def count(self, totals: Mapping[str, float]) -> None:
        """Count what ended without a job."""
        for name, amount in totals.items():
            self._link.call(methodcaller("hincrbyfloat", self._totals, name, amount))

    def announce_end(self, generation_id: str) -> None:
        """Tell the workers to stop a generation. Only a hint: who misses it finds out by itself."""
        # In a Cluster the workers hear a shard's announcements: a PUBLISH would reach nobody.
        command = self._link.publish_command.lower()
        self._link.call(lambda client: getattr(client, command)(self.control, generation_id))

    def counts(self) -> Counts:
        jobs, running, workers, totals = self._link.run(
            _COUNTS, [self._stream, self._entries, self._workers, self._totals], []
        )
        values = [value.decode() for value in totals]
        sums = {name: float(n) for name, n in zip(values[::2], values[1::2], strict=True)}
        names = [name.decode() for name in workers]
        unwell = [name.removeprefix("! ") for name in names if name.startswith("! ")]
        return Counts(max(0, jobs - running), running, len(names) - len(unwell), unwell, sums)

    def workers(self) -> list[LivingWorker]:
        found = self._link.run(_ALIVE, [self._stream, self._entries, self._workers], [])
        return [
            LivingWorker(name.decode(), int(ms), int(jobs))
            for name, ms, jobs in found
            if not name.startswith(b"! ")  # one that is not well says why in place of its name
        ]

    def ahead(self, generation_id: str) -> int | None:
        """How many jobs wait that come before this one; None where it does not wait."""
        args = [generation_id, _COUNTED_AHEAD]
        found = self._link.run(_AHEAD, [self._stream, self._entries], args)
        return None if found is None else int(found)

    # ── for a worker ─────────────────────────────────────────────────────────────────────────

    def claim(self) -> Job | None:
        """Wait up to `block_seconds` for a job. Never sent twice: where the reply is lost, so may
        be a job, until its lease lapses. Raises `RedisUnavailable`."""

        def read(client: Any) -> Any:
            try:
                return client.xreadgroup(
                    GROUP, self._consumer, {self._stream: ">"}, count=1, block=self._block_ms
                )
            except ResponseError as error:
                return self._mend(client, error)

        found = self._link.call(read, try_seconds=0)
        for _, entries in found.items() if isinstance(found, dict) else found or ():
            for entry, fields in entries:
                return Job(entry.decode(), fields[b"id"].decode(), self._clock())
        return None

    def take_over(self, most: int) -> list[Job]:
        """Jobs whose leases have lapsed, at most `most`, one's own unrenewed ones among them.

        Where Redis itself was away for half a lease, everybody's leases look lapsed: then nobody
        takes anything over until the others have had the time to renew."""

        args: list[object] = [self._consumer, int(self.lapse_seconds * 1000), most]
        args += [int(self.lease_seconds * 500), int(self.lease_seconds * 300)]
        found = self._link.run(
            _TAKE_OVER, [self._stream, self._entries, self._polled], args, try_seconds=0
        )
        now = self._clock()
        return [Job(found[i].decode(), found[i + 1].decode(), now) for i in range(0, len(found), 2)]

    def renew(self, entries: Sequence[str]) -> set[str]:
        """Say that this worker lives and renew its leases; returns those that are not its own any
        more."""
        lost = self._link.run(
            _RENEW,
            [self._stream, self._entries, self._workers],
            [self._consumer, int(self.lease_seconds * 1000), *entries],
            try_seconds=self.renew_seconds,
        )
        return {entry.decode() for entry in lost}

    def unwell(self, why: str) -> None:
        """Say that this worker cannot do its work; its leases are left to lapse."""
        args = [self._consumer, int(self.lease_seconds * 1000), why]
        keys = [self._stream, self._entries, self._workers]
        self._link.run(_UNWELL, keys, args, try_seconds=self.renew_seconds)

    def finish(
        self, job: Job, totals: Mapping[str, float], *, try_seconds: float = TRY_SECONDS
    ) -> bool:
        """The generation has ended: its job goes. False where another worker holds it."""
        return self._finish(job.generation_id, self._consumer, totals, try_seconds)

    def release(self, job: Job) -> bool:
        """Give a job back: another worker claims it at once."""
        args = [self._consumer, "", job.entry]
        return bool(self._link.run(_RELEASE, [self._stream, self._entries, self._workers], args))

    def leave(self) -> int:
        """Give back whatever this worker still holds and forget it; how many jobs that were."""
        args = [self._consumer, "1"]
        return int(
            self._link.run(
                _RELEASE, [self._stream, self._entries, self._workers], args, try_seconds=1
            )
        )

    def tidy(self) -> None:
        """Forget the workers that have been gone for an hour."""
        self._link.run(_TIDY, [self._stream, self._entries], [_GONE_MS])

    def _finish(
        self, generation_id: str, consumer: str, totals: Mapping[str, float], try_seconds: float
    ) -> bool:
        args: list[object] = [generation_id, consumer]
        for name, amount in totals.items():
            args += (name, amount)
        keys = [self._stream, self._entries, self._totals]
        return bool(self._link.run(_FINISH, keys, args, try_seconds=try_seconds))

    def _mend(self, client: Any, error: ResponseError) -> None:
        """Make the group again where it is missing; whatever is in the stream is waiting again."""
        if not str(error).startswith("NOGROUP"):
            raise error
        try:
            client.xgroup_create(self._stream, GROUP, id="0", mkstream=True)
        except ResponseError as made:
            if not str(made).startswith("BUSYGROUP"):
                raise
