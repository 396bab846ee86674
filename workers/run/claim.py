"""Claiming a generation: from a job in hand to the right to write.

The job's lease says who may try; the record's fence says who may write. A claim sets a fence of its
own in the same step that publishes the attempt's first event (`started`, or `restarted` for a later
attempt, which also empties the log), and only where the record still is what the claimer read. A
generator that continues says nothing first: its text goes on behind what is there. From then on
the worker that wrote before is refused. A claimer that was itself paused since it got the job lets
go of it instead: its lease may have lapsed, and the run that it would break may be a healthy one.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from hub.errors import NotFound, RedisUnavailable, Refused
from hub.event import Event, compact_json
from hub.store.history import RecordWrite
from hub.store.producer import Producer
from workers.generation import MAX_ATTEMPTS, Generation, Terminal
from workers.queue import Job
from workers.store import Generations
from workers.totals import ended

WORKER_LOST = "worker-lost"
WORKER_SHUTDOWN = "worker-shutdown"


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write a generation's current attempt, until somebody else claims it."""

    job: Job
    generation: Generation
    fence: str


class Claimer:
    """`clock` is the one that `Job.claimed` is on; `continues` tells whether a later attempt goes
    on from what the one before it has published."""

    def __init__(
        self,
        generations: Generations,
        clock: Callable[[], float] = time.monotonic,
        continues: Callable[[Generation], bool] = lambda _: False,
    ) -> None:
        self._generations = generations
        self._clock = clock
        self._continues = continues

    def claim(self, job: Job) -> Claim | None:
        """Begin the next attempt, or None where there is nothing to run: then the job is gone, or
        left to lapse."""
        fence = secrets.token_hex(8)
        while self._clock() - job.claimed < self._generations.queue.lapse_seconds / 2:
            try:
                return self._try(job, fence)
            except (Refused, RedisUnavailable):
                continue  # look again: it may even have been stored
        return None

    def _try(self, job: Job, fence: str) -> Claim | None:
        try:
            generation = self._generations.get(job.generation_id)
        except NotFound:
            self._generations.queue.finish(job, {})
            self._generations.indexes.close(job.generation_id)
            return None
        if generation.fence == fence:  # stored before, but the reply was lost
            return Claim(job, generation, fence)
        if generation.active and _lost(generation) >= MAX_ATTEMPTS:
            generation = self._generations.end(generation.id, _lost_for_good)
        if not generation.active:
            self._generations.queue.finish(job, ended(generation.status))
            self._generations.close(generation)
            return None
        return self._begin(job, generation, fence)

    def _begin(self, job: Job, before: Generation, fence: str) -> Claim:
        now_ms = self._generations.now_ms()
        lost = _lost(before)
        generation = replace(
            before,
            status="running",
            attempt=before.attempt + 1,
            lost=lost,
            fence=fence,
            handed_over=False,
            started_ms=before.started_ms or now_ms,
        )
        event, again = _first_event(before, generation)
        goes_on = again and self._continues(before)
        stored = self._generations.history.append(
            generation.channel,
            [] if goes_on else [event],
            producer=Producer(f"{fence}.claim", 1, now_ms / 1000),
            record=RecordWrite(
                expect={"status": before.status, "fence": before.fence},
                fields={
                    "status": "running",
                    "attempt": str(generation.attempt),
                    "lost": str(lost),
                    "fence": fence,
                    "batch": "",
                    "handed_over": "",
                    "started": str(generation.started_ms),
                },
                log=None if goes_on else "",
                replace_log=not goes_on,
            ),
        )
        if again and not goes_on:
            self._note_restart(generation, stored.ids[0])
        return Claim(job, generation, fence)

    def _note_restart(self, generation: Generation, event_id: str) -> None:
        """Remember where the attempt begins: a listener with an older position, in a dialect that
        cannot take text back, must not get the text of this one."""
        self._generations.history.append(
            generation.channel,
            [],
            record=RecordWrite(
                expect={"fence": generation.fence}, fields={"restarted_at": event_id}
            ),
        )


def _first_event(before: Generation, generation: Generation) -> tuple[Event, bool]:
    if before.attempt == 0:
        return generation.started_event, False
    reason = WORKER_SHUTDOWN if before.handed_over else WORKER_LOST
    data = {"attempt": generation.attempt, "reason": reason}
    return Event(compact_json(data), "restarted"), True


def _lost(generation: Generation) -> int:
    """How many attempts were lost, the one that the record tells of among them. One that was handed
    over was not lost."""
    return generation.lost + (generation.attempt > 0 and not generation.handed_over)


def _lost_for_good(generation: Generation) -> Terminal | None:
    if _lost(generation) < MAX_ATTEMPTS:
        return None  # somebody else has looked, too
    return Terminal.failed(
        WORKER_LOST,
        f"the worker was lost in {MAX_ATTEMPTS} attempts, one after another",
        retryable=True,
    )
