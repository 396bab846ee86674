"""Jobs, leases and taking over, on a real Valkey."""

from __future__ import annotations

import pytest

from hub.store.redis_link import RedisLink
from tests.support.deadline import eventually
from tests.support.valkey import Valkey
from tests.workers.conftest import LEASE_SECONDS, MakeQueue, claimed
from workers.queue import Queue


@pytest.fixture
def others(make_queue: MakeQueue) -> Queue:
    return make_queue("other")


def lapsed(queue: Queue) -> str:
    """The entry of the one job that lapses now."""
    (job,) = eventually(lambda: queue.take_over(10), 3 * LEASE_SECONDS)
    return job.entry


def test_a_job_is_claimed_by_one_worker(queue: Queue, others: Queue) -> None:
    queue.enqueue("a")
    assert claimed(queue).generation_id == "a"
    assert others.claim() is None
    assert others.take_over(10) == []


def test_jobs_are_claimed_in_their_order(queue: Queue) -> None:
    queue.enqueue("a", "b")
    queue.enqueue("c")
    assert [claimed(queue).generation_id for _ in range(3)] == ["a", "b", "c"]


def test_a_generation_has_at_most_one_job(queue: Queue) -> None:
    assert queue.enqueue("a") == 1
    assert queue.enqueue("a", "a") == 0
    claimed(queue)
    assert queue.enqueue("a") == 0
    assert queue.claim() is None


def test_a_lapsed_lease_is_taken_over_within_the_lease(queue: Queue, others: Queue) -> None:
    queue.enqueue("a")
    others.take_over(1)
    job = claimed(queue)
    taken = eventually(lambda: others.take_over(10), LEASE_SECONDS, every_seconds=0.01)
    assert [(t.entry, t.generation_id) for t in taken] == [(job.entry, "a")]


def test_who_lost_a_lease_can_neither_renew_nor_finish_nor_release_it(
    queue: Queue, others: Queue
) -> None:
    queue.enqueue("a")
    job = claimed(queue)
    lapsed(others)
    assert queue.renew([job.entry]) == {job.entry}
    assert not queue.finish(job, {"ended:completed": 1})
    assert not queue.release(job)
    assert others.renew([job.entry]) == set()
    assert others.finish(job, {"ended:completed": 1})
    assert queue.counts().totals == {"ended:completed": 1}


def test_a_renewed_lease_is_not_taken_over(queue: Queue, others: Queue) -> None:
    queue.enqueue("a", "b")
    kept, left = claimed(queue), claimed(queue)

    def takes() -> list[str]:
        assert queue.renew([kept.entry]) == set()
        return [job.entry for job in others.take_over(10)]

    for _ in range(2):
        assert eventually(takes, 3 * LEASE_SECONDS) == [left.entry]


def test_lapsed_jobs_are_found_behind_any_number_of_running_ones(
    queue: Queue, others: Queue
) -> None:
    queue.enqueue(*(f"long{i}" for i in range(150)), "lost")
    running = [claimed(queue).entry for _ in range(150)]
    lost = claimed(queue).entry

    def taken() -> list[str]:
        assert queue.renew(running) == set()
        return [job.entry for job in others.take_over(1)]

    assert eventually(taken, 5 * LEASE_SECONDS) == [lost]


def test_a_released_job_is_claimed_at_once(queue: Queue, others: Queue) -> None:
    queue.enqueue("a")
    assert queue.release(claimed(queue))
    again = claimed(others)
    assert again.generation_id == "a"
    assert others.finish(again, {})


def test_who_leaves_gives_back_what_it_holds_and_is_not_seen_any_more(
    queue: Queue, others: Queue
) -> None:
    queue.enqueue("a", "b")
    queue.renew([])
    assert queue.counts().workers == 1
    claimed(queue)
    claimed(queue)  # a reply that got lost would look the same
    assert queue.leave() == 2
    assert {claimed(others).generation_id for _ in range(2)} == {"a", "b"}
    assert queue.counts().workers == 0


def test_a_claim_whose_reply_was_lost_lapses_like_a_dead_worker_s(queue: Queue) -> None:
    queue.enqueue("a")
    job = claimed(queue)
    assert lapsed(queue) == job.entry


def test_claims_go_on_after_everything_was_flushed(
    queue: Queue, others: Queue, valkey: Valkey
) -> None:
    queue.enqueue("a")
    job = claimed(queue)
    with valkey.client() as client:
        client.flushall()
    assert queue.renew([job.entry]) == {job.entry}
    assert not queue.finish(job, {"ended:completed": 1})
    assert others.take_over(5) == []
    queue.enqueue("b")
    assert claimed(others).generation_id == "b"


def test_a_generation_whose_entry_vanished_counts_as_missing(
    queue: Queue, real_link: RedisLink
) -> None:
    queue.enqueue("a", "b")
    real_link.client.delete("hub:{jobs}:stream")
    queue.enqueue("b")
    assert queue.missing(["a", "b", "c"]) == ["a", "c"]


def test_dropping_counts_a_generation_once_whoever_holds_its_job(
    queue: Queue, others: Queue
) -> None:
    queue.enqueue("waits", "runs")
    assert others.drop("waits", {"ended:cancelled": 1})
    job = claimed(queue)
    assert others.drop("runs", {"ended:cancelled": 1, "first_delta:sum": 0.25})
    assert not others.drop("runs", {"ended:cancelled": 1})
    assert not queue.finish(job, {"ended:completed": 1})
    assert queue.renew([job.entry]) == {job.entry}
    assert queue.counts().totals == {"ended:cancelled": 2, "first_delta:sum": 0.25}
    assert queue.claim() is None


def test_counts_tell_jobs_that_wait_and_jobs_in_hand(queue: Queue, others: Queue) -> None:
    assert queue.counts().queued == 0
    queue.enqueue("a", "b", "c")
    claimed(queue)
    queue.renew([])
    others.renew([])
    counts = queue.counts()
    assert (counts.queued, counts.running, counts.workers) == (2, 1, 2)


def test_a_worker_that_does_not_renew_is_not_seen_any_more(queue: Queue) -> None:
    queue.renew([])
    assert queue.counts().workers == 1
    eventually(lambda: queue.counts().workers == 0, 5 * LEASE_SECONDS)


def test_when_redis_itself_was_away_the_owners_renew_before_anybody_takes_over(
    queue: Queue, others: Queue, real_link: RedisLink
) -> None:
    queue.enqueue("a")
    job = claimed(queue)
    others.take_over(1)
    # Nobody asks for more than a lease, as if Redis had stood still.
    eventually(lambda: idle_seconds(real_link, job.entry) > LEASE_SECONDS)
    assert others.take_over(1) == []
    assert queue.renew([job.entry]) == set()
    assert others.take_over(1) == []


def test_when_the_owner_is_gone_too_its_jobs_are_taken_over_all_the_same(
    queue: Queue, others: Queue, real_link: RedisLink
) -> None:
    queue.enqueue("a")
    job = claimed(queue)
    others.take_over(1)
    eventually(lambda: idle_seconds(real_link, job.entry) > LEASE_SECONDS)
    assert lapsed(others) == job.entry


def test_consumers_that_hold_nothing_and_are_long_gone_are_forgotten(
    queue: Queue, others: Queue, real_link: RedisLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.enqueue("a")
    claimed(queue)
    others.claim()
    monkeypatch.setattr("workers.queue._GONE_MS", -1)
    queue.tidy()
    found = real_link.client.xinfo_consumers("hub:{jobs}:stream", "workers")
    assert [consumer["name"] for consumer in found] == [b"worker"]


def idle_seconds(link: RedisLink, entry: str) -> float:
    (pending,) = link.client.xpending_range("hub:{jobs}:stream", "workers", entry, entry, 1)
    return float(pending["time_since_delivered"] / 1000)


def test_a_job_knows_how_many_wait_before_it(queue: Queue) -> None:
    assert queue.ahead("a") is None
    queue.enqueue("a", "b", "c")
    assert [queue.ahead(one) for one in "abc"] == [0, 1, 2]
    claimed(queue)
    assert [queue.ahead(one) for one in "abc"] == [None, 0, 1]
