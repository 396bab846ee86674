"""Attempts: who may write, what the first event says, and when it is enough."""

from __future__ import annotations

import json

from hub.errors import RedisUnavailable
from hub.store.frame import StoredEvent
from hub.store.history import History, RecordWrite
from tests.workers.conftest import Ask, Attempts, claimed
from workers.generation import Generation
from workers.queue import Job, Queue
from workers.run.claim import Claimer
from workers.store import Generations


def told(history: History, generation: Generation) -> list[tuple[str, dict[str, object]]]:
    frames = history.read(generation.channel, "0-0").frames
    events = [StoredEvent.of(frame) for frame in frames]
    return [(event.event, json.loads(event.data)) for event in events]


def test_the_first_attempt_begins_with_started(
    ask: Ask, queue: Queue, generations: Generations
) -> None:
    generation = ask()
    claim = Claimer(generations).claim(claimed(queue))
    assert claim is not None
    found = generations.get(generation.id)
    assert (found.status, found.attempt, found.fence) == ("running", 1, claim.fence)
    assert found.started_ms is not None
    (first,) = told(generations.history, generation)
    assert first[0] == "started"
    assert (first[1]["id"], first[1]["attempt"]) == (generation.id, 1)


def test_a_later_attempt_begins_with_restarted_and_an_empty_text(
    ask: Ask, generations: Generations, attempts: Attempts
) -> None:
    generation = ask()
    first = attempts.claim(generation.id)
    generations.history.append(
        generation.channel, [], record=RecordWrite({"fence": first.fence}, log="text")
    )
    attempts.claim(generation.id)
    assert told(generations.history, generation)[1:] == [
        ("restarted", {"attempt": 2, "reason": "worker-lost"})
    ]
    answer = generations.read(generation.id)
    assert (answer.generation.attempt, answer.choices) == (2, [])
    assert answer.generation.restarted_at == generations.history.state(generation.channel).last


def test_after_three_lost_attempts_it_fails_with_worker_lost(
    ask: Ask, generations: Generations, attempts: Attempts
) -> None:
    generation = ask()
    for _ in range(3):
        attempts.claim(generation.id)
    assert attempts.claimer.claim(Job("0-0", generation.id, attempts.claimer._clock())) is None
    events = told(generations.history, generation)
    assert [event for event, _ in events] == ["started", "restarted", "restarted", "failed"]
    assert events[-1][1]["code"] == "worker-lost"
    found = generations.get(generation.id)
    assert (found.status, found.attempt) == ("failed", 3)
    assert generations.queue.claim() is None
    assert generations.queue.counts().totals["ended:failed"] == 1


def test_attempts_that_were_handed_over_are_not_counted_as_lost(
    ask: Ask, generations: Generations, attempts: Attempts
) -> None:
    generation = ask()
    for _ in range(5):
        claim = attempts.claim(generation.id)
        generations.history.append(
            generation.channel,
            [],
            record=RecordWrite({"fence": claim.fence}, {"fence": "", "handed_over": "1"}),
        )
    attempts.claim(generation.id)
    events = told(generations.history, generation)[1:]
    assert [event[1] for event in events] == [
        {"attempt": number, "reason": "worker-shutdown"} for number in range(2, 7)
    ]


def test_who_was_paused_between_job_and_claim_lets_go_of_it(
    ask: Ask, queue: Queue, generations: Generations
) -> None:
    generation = ask()
    job = claimed(queue)
    late = Claimer(generations, clock=lambda: job.claimed + queue.lapse_seconds)
    assert late.claim(job) is None
    assert generations.get(generation.id).attempt == 0


def test_a_claim_of_an_ended_generation_removes_its_job(
    ask: Ask, queue: Queue, generations: Generations
) -> None:
    generation = ask()
    generations.cancel(generation.id, "ann")
    queue.enqueue(generation.id)  # as if the canceller had crashed before dropping it
    assert Claimer(generations).claim(claimed(queue)) is None
    assert queue.counts().running == 0
    assert queue.missing([generation.id]) == [generation.id]


def test_a_job_without_a_record_is_removed(queue: Queue, generations: Generations) -> None:
    queue.enqueue("nobody")
    assert Claimer(generations).claim(claimed(queue)) is None
    assert queue.counts().running == 0


def test_a_claim_whose_reply_was_lost_is_not_a_second_attempt(
    ask: Ask, queue: Queue, generations: Generations
) -> None:
    generation = ask()
    append = generations.history.append
    lost: list[object] = []

    def append_and_lose_the_reply(*args: object, **options: object) -> object:
        stored = append(*args, **options)  # type: ignore[arg-type]
        if not lost:
            lost.append(stored)
            raise RedisUnavailable("the reply did not come")
        return stored

    generations.history.append = append_and_lose_the_reply  # type: ignore[method-assign, assignment]
    claim = Claimer(generations).claim(claimed(queue))
    assert claim is not None
    assert lost
    assert generations.get(generation.id).attempt == 1
    assert [event for event, _ in told(generations.history, generation)] == ["started"]
