"""A worker process: claims generations, runs many at a time, and keeps its leases.

Its loops (`hub.fanout.loops` keeps them running), and the greenlets of the runs:

    claims      waits for jobs while a slot is free, and starts a run for each
    renewals    every fifth of a lease: says that this worker lives and renews what it holds; stops
                the runs whose leases are another's
    records     as often: stops the runs that were ended elsewhere, in case nobody was heard to say
                so, and keeps silent ones from expiring
    polls       every tenth of a lease: takes over jobs whose leases have lapsed
    sweeps      finds generations without a job, and those whose producers are silent
    feed        hears at once of generations that were ended elsewhere
    sender      sends what the runs say (`sender`)

A worker that cannot send claims nothing and renews nothing: its leases lapse and others have its
generations. It says so in Redis, where `/readyz` finds it.

At shutdown, in this order: no more claims; the runs have `HUB_GRACE_SECONDS` to finish; those that
have not are handed over; whatever else this worker holds (a claim whose reply it did not read) is
given back. A worker that dies without all this is noticed by its leases.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable

import gevent
from gevent.event import Event
from gevent.lock import Semaphore

from hub.errors import RedisFailure, RedisUnavailable
from hub.fanout.feed import Feed
from hub.fanout.loops import Loop, Loops
from hub.fanout.sender import Sender
from hub.fanout.turns import Turns
from hub.spans import Spans
from workers.generation import Generation, Terminal
from workers.queue import Job
from workers.run import fault
from workers.run.claim import Claim, Claimer
from workers.run.runner import Opener, Run
from workers.store import Generations

log = logging.getLogger("workers")

_HAND_OVER_SECONDS = 1.0
_LEAVE_SECONDS = 0.5
_GATHER_SECONDS = 0.0005
_PAUSE_SECONDS = 0.2


class Worker:
    """`running` and `outcomes` (how many runs ended how) are there to be read."""

    def __init__(
        self,
        generations: Generations,
        opener: Opener,
        chance: Callable[[], float] = random.random,
        *,
        spans: Spans | None = None,
    ) -> None:
        self._spans = spans
        self.outcomes: Counter[str] = Counter()
        self._generations = generations
        self._queue = generations.queue
        self._opener = opener
        self._settings = settings = generations.settings
        self._chance = chance
        self._claimer = Claimer(generations, continues=opener.continues)
        self.loops = Loops()
        self._sender = Sender(generations.history, self.loops, gather_seconds=_GATHER_SECONDS)
        self._slots = Semaphore(settings.worker_concurrency)
        self._held: dict[str, Job] = {}
        self._runs: dict[str, Run] = {}
        self._greenlets: set[gevent.Greenlet] = set()
        self._intake: list[Loop] = []
        self._feed = Feed(generations.history.link, Turns(), self.loops)

    @property
    def running(self) -> int:
        return len(self._runs)

    def start(self) -> None:
        self._feed.subscribe(self._queue.control, _Control(self))
        look_seconds = min(self._queue.renew_seconds, self._settings.history_seconds / 3)
        self._every("renewals", self._queue.renew_seconds, self._renew)
        self._every("records", look_seconds, self.check_all)
        self._every("sweeps", max(1.0, self._queue.lease_seconds), self._sweep)
        self._intake = [
            self._every("claims", 0, self._claim),
            self._every("polls", self._queue.poll_seconds, self._take_over),
        ]

    def stop(self, grace_seconds: float, hurry: Event) -> None:
        """Finish or hand over within the grace; at once when `hurry` is set."""
        for loop in self._intake:
            loop.stop()
        waiting = list(self._greenlets)
        done = gevent.spawn(gevent.joinall, waiting)
        gevent.wait([done, hurry], timeout=grace_seconds, count=1)
        handing = [gevent.spawn(run.hand_over) for run in list(self._runs.values())]
        if handing:
            log.info("handing over %d generations", len(handing))
        gevent.joinall(handing, timeout=_HAND_OVER_SECONDS)
        done.kill()
        self.loops.stop()
        leaving = gevent.spawn(self._leave)
        leaving.join(timeout=_LEAVE_SECONDS)
        leaving.kill()
        self._feed.stop()
        self._sender.stop()

    def _leave(self) -> None:
        try:
            self._queue.leave()
        except RedisFailure as error:
            log.warning("leases are left to lapse: %s", error.detail)

    # ── intake ───────────────────────────────────────────────────────────────────────────────

    def _claim(self, loop: Loop) -> None:
        with loop.idle():
            self._slots.acquire()
        job = None
        try:
            if self._can_send(loop):
                job = self._queue.claim()
            if job is not None and self._sender.trouble is not None:  # since it began to wait
                given_back, job = job, None
                self._queue.release(given_back)
        finally:
            if job is None:
                self._slots.release()
        if job is not None:
            self._start(job)

    def _can_send(self, loop: Loop) -> bool:
        """False after a pause where it cannot: then it takes no work, and loses what it has."""
        if self._sender.trouble is None:
            return True
        loop.sleep(_PAUSE_SECONDS)
        return False

    def _take_over(self, loop: Loop) -> None:
        free = self._slots.counter
        if free <= 0 or not self._can_send(loop):
            return
        for job in self._queue.take_over(free):
            # One's own that could not be renewed in time, and that nobody else wanted, goes on.
            if job.entry not in self._held:
                log.warning("lease lapsed, taking over id=%s", job.generation_id)
                with loop.idle():
                    self._slots.acquire()
                self._start(job)

    def _start(self, job: Job) -> None:
        """Run `job` in a greenlet of its own; the slot is taken already."""
        self._held[job.entry] = job
        greenlet = gevent.spawn(self._run, job)
        self._greenlets.add(greenlet)
        greenlet.rawlink(self._greenlets.discard)

    def _run(self, job: Job) -> None:
        claim = None
        try:
            claim = self._claimer.claim(job)
            if claim is None:
                self.outcomes["not run"] += 1
                return
            generations, settings = self._generations, self._settings
            run = Run(claim, generations, self._sender, self._opener, settings, self._spans)
            self._runs[job.entry] = run
            self.outcomes[run.run()] += 1
        except RedisUnavailable as error:
            log.warning("job left to lapse id=%s: %s", job.generation_id, error.detail)
        except Exception as error:
            self._end(job, claim, fault.terminal_for(error, job.generation_id))
        finally:
            self._runs.pop(job.entry, None)
            del self._held[job.entry]
            self._slots.release()

    def _end(self, job: Job, claim: Claim | None, terminal: Terminal) -> None:
        """A fault here has ended the run: the next attempt would meet it, too."""

        def ours(generation: Generation) -> Terminal | None:
            return terminal if claim is None or claim.fence == generation.fence else None

        self.outcomes["failed"] += 1
        try:
            self._generations.end(job.generation_id, ours)
        except RedisFailure as error:
            log.warning("job left to lapse id=%s: %s", job.generation_id, error.detail)
        except Exception:
            log.exception("job left to lapse id=%s", job.generation_id)

    # ── leases ───────────────────────────────────────────────────────────────────────────────

    def _renew(self, _: Loop) -> None:
        trouble = self._sender.trouble
        if trouble is not None:
            self._queue.unwell(trouble)
            return
        for entry in self._queue.renew(list(self._held)):
            if entry in self._runs:
                self._runs[entry].stop("lease lost")

    def check_all(self, loop: Loop) -> None:
        """Ask for every run whether its record is still its own, and keep it from expiring.
        Raises `RedisUnavailable`."""
        for run in list(self._runs.values()):
            loop.progress()
            run.check()

    def ended(self, generation_id: str) -> None:
        """Somebody has ended this generation: its provider must not go on."""
        for run in list(self._runs.values()):
            if run.claim.generation.id == generation_id:
                gevent.spawn(run.stop, "ended elsewhere")

    def _sweep(self, loop: Loop) -> None:
        with loop.idle():  # as long as it takes: there may be many
            mended = self._generations.sweep()
            lost = self._generations.end_lost()
        if mended:
            log.warning("%d generations had no job and have one now", mended)
        if lost:
            log.warning("%d generations were lost by their producers", lost)
        self._queue.tidy()

    def _every(self, name: str, seconds: float, step: Callable[[Loop], None]) -> Loop:
        """Call `step` for ever; where Redis does not answer, again soon."""

        def body(loop: Loop) -> None:
            away = False
            while True:
                try:
                    step(loop)
                    away = False
                    # Spread by a tenth, so that the workers do not all come at once.
                    loop.sleep(seconds * (0.9 + 0.1 * self._chance()))
                except RedisFailure as error:
                    if not away:
                        log.warning("loop %s waits for redis: %s", loop.name, error.detail)
                    away = True
                    loop.sleep(min(_PAUSE_SECONDS, seconds or _PAUSE_SECONDS))

        return self.loops.start(name, body)


class _Control:
    """Hears which generations were ended elsewhere (`hub.feed.Subscriber`)."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def announced(self, payload: bytes) -> None:
        self._worker.ended(payload.decode())

    def confirmed(self) -> None:
        """Subscribed, for the first time or again: what was said meanwhile went by."""
        self._worker.loops.start("records", self._look)

    def _look(self, loop: Loop) -> None:
        try:
            self._worker.check_all(loop)
        except RedisFailure:
            pass  # the next look comes soon
