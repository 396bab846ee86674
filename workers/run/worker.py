"""A worker process: claims generations, runs many at a time, and keeps its leases.

Its greenlets:

    claims      waits for jobs while a slot is free, and starts a run for each
    renewals    every fifth of a lease: says that this worker lives and renews what it holds; stops
                the runs whose leases are another's
    records     as often: stops the runs that were ended elsewhere, in case nobody was heard to say
                so, and keeps silent ones from expiring
    polls       every tenth of a lease: takes over jobs whose leases have lapsed
    sweeps      finds generations without a job
    control     hears at once of generations that were ended elsewhere
    one each    for the runs

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

from hub.errors import RedisUnavailable
from hub.fanout.feed import Feed
from workers.generation import Generation, Terminal
from workers.queue import Job
from workers.run import fault
from workers.run.claim import Claim, Claimer
from workers.run.runner import Opener, Run
from workers.run.sender import Sender
from workers.store import Generations

log = logging.getLogger("workers")

_HAND_OVER_SECONDS = 1.0
_LEAVE_SECONDS = 0.5
_PAUSE_SECONDS = 0.2


class Worker:
    """`running` and `outcomes` (how many runs ended how) are there to be read."""

    def __init__(
        self,
        generations: Generations,
        opener: Opener,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.outcomes: Counter[str] = Counter()
        self._generations = generations
        self._queue = generations.queue
        self._opener = opener
        self._settings = settings = generations.settings
        self._chance = chance
        self._claimer = Claimer(generations, continues=opener.continues)
        self._sender = Sender(generations.history)
        self._slots = Semaphore(settings.worker_concurrency)
        self._held: dict[str, Job] = {}
        self._runs: dict[str, Run] = {}
        self._greenlets: set[gevent.Greenlet] = set()
        self._loops: list[gevent.Greenlet] = []
        self._intake: list[gevent.Greenlet] = []
        self._feed = Feed(generations.history.link, lambda: None)

    @property
    def running(self) -> int:
        return len(self._runs)

    def start(self) -> None:
        self._feed.subscribe(self._queue.control, _Control(self))
        look_seconds = min(self._queue.renew_seconds, self._settings.history_seconds / 3)
        self._loops = [
            gevent.spawn(self._every, self._queue.renew_seconds, self._renew),
            gevent.spawn(self._every, look_seconds, self.check_all),
            gevent.spawn(self._every, max(1.0, self._queue.lease_seconds), self._sweep),
        ]
        self._intake = [
            gevent.spawn(self._every, 0, self._claim),
            gevent.spawn(self._every, self._queue.poll_seconds, self._take_over),
        ]

    def stop(self, grace_seconds: float, hurry: Event) -> None:
        """Finish or hand over within the grace; at once when `hurry` is set."""
        gevent.killall(self._intake)
        waiting = list(self._greenlets)
        done = gevent.spawn(gevent.joinall, waiting)
        gevent.wait([done, hurry], timeout=grace_seconds, count=1)
        handing = [gevent.spawn(run.hand_over) for run in list(self._runs.values())]
        if handing:
            log.info("handing over %d generations", len(handing))
        gevent.joinall(handing, timeout=_HAND_OVER_SECONDS)
        gevent.killall([done, *self._loops])
        leaving = gevent.spawn(self._leave)
        leaving.join(timeout=_LEAVE_SECONDS)
        leaving.kill()
        self._feed.stop()
        self._sender.stop()

    def _leave(self) -> None:
        try:
            self._queue.leave()
        except RedisUnavailable as error:
            log.warning("leases are left to lapse: %s", error.detail)

    # ── intake ───────────────────────────────────────────────────────────────────────────────

    def _claim(self) -> None:
        self._slots.acquire()
        job = None
        try:
            job = self._queue.claim()
        finally:
            if job is None:
                self._slots.release()
        if job is not None:
            self._start(job)

    def _take_over(self) -> None:
        free = self._slots.counter
        if free <= 0:
            return
        for job in self._queue.take_over(free):
            # One's own that could not be renewed in time, and that nobody else wanted, goes on.
            if job.entry not in self._held:
                log.warning("lease lapsed, taking over id=%s", job.generation_id)
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
            run = Run(claim, self._generations, self._sender, self._opener, self._settings)
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
        except RedisUnavailable as error:
            log.warning("job left to lapse id=%s: %s", job.generation_id, error.detail)
        except Exception:
            log.exception("job left to lapse id=%s", job.generation_id)

    # ── leases ───────────────────────────────────────────────────────────────────────────────

    def _renew(self) -> None:
        for entry in self._queue.renew(list(self._held)):
            if entry in self._runs:
                self._runs[entry].stop("lease lost")

    def check_all(self) -> None:
        """Ask for every run whether its record is still its own, and keep it from expiring.
        Raises `RedisUnavailable`."""
        for run in list(self._runs.values()):
            run.check()

    def ended(self, generation_id: str) -> None:
        """Somebody has ended this generation: its provider must not go on."""
        for run in list(self._runs.values()):
            if run.claim.generation.id == generation_id:
                gevent.spawn(run.stop, "ended elsewhere")

    def _sweep(self) -> None:
        mended = self._generations.sweep()
        if mended:
            log.warning("%d generations had no job and have one now", mended)
        self._queue.tidy()

    def _every(self, seconds: float, step: Callable[[], None]) -> None:
        """Call `step` for ever; where Redis does not answer, again soon."""
        away = False
        while True:
            try:
                step()
                away = False
                # Spread by a tenth, so that the workers do not all come at once.
                gevent.sleep(seconds * (0.9 + 0.1 * self._chance()))
            except RedisUnavailable as error:
                if not away:
                    log.warning("redis is away: %s", error.detail)
                away = True
                gevent.sleep(min(_PAUSE_SECONDS, seconds or _PAUSE_SECONDS))
            except Exception:
                log.exception("a step failed and is tried again")
                gevent.sleep(_PAUSE_SECONDS)


class _Control:
    """Hears which generations were ended elsewhere (`hub.feed.Subscriber`)."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def announced(self, payload: bytes) -> None:
        self._worker.ended(payload.decode())

    def confirmed(self) -> None:
        """Subscribed, for the first time or again: what was said meanwhile went by."""
        gevent.spawn(self._look)

    def _look(self) -> None:
        try:
            self._worker.check_all()
        except RedisUnavailable:
            pass  # the next renewal looks again
