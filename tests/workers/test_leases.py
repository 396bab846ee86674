"""A worker and its leases: what it does when one is another's, and when it cannot send."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event

from hub.store.redis_link import RedisLink
from tests.support.deadline import eventually
from tests.workers.conftest import Ask, claim_no_more
from workers.provider import Delta
from workers.run.worker import Worker
from workers.store import Generations


class Talking:
    """An opener whose streams say one word and then wait until they are closed."""

    def __init__(self) -> None:
        self.closed = Event()

    def continues(self, generation: object) -> bool:
        return False

    def open(self, request: object, generation: object) -> Talking:
        return self

    def __iter__(self) -> Iterator[Any]:
        yield Delta(0, "content", "x")
        self.closed.wait()

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def talking() -> Talking:
    return Talking()


@pytest.fixture
def worker(generations: Generations, talking: Talking) -> Iterator[Worker]:
    worker = Worker(generations, talking)
    worker.start()
    yield worker
    worker.stop(0, Event())


def settle(condition: Any) -> None:
    def look() -> object:
        gevent.sleep(0.002)
        return condition()

    eventually(look)


def test_a_run_whose_lease_is_another_s_is_stopped_and_its_provider_let_go(
    ask: Ask, worker: Worker, talking: Talking, generations: Generations, real_link: RedisLink
) -> None:
    """The other one has not written yet: only the lease tells."""
    ask()
    settle(lambda: worker.running == 1)
    claim_no_more(worker)
    stream = next(key for key in real_link.client.keys("*{jobs}:stream"))
    pending = real_link.client.xpending_range(stream, "workers", "-", "+", 1)
    real_link.client.xclaim(stream, "workers", "a thief", 0, [pending[0]["message_id"]])
    settle(lambda: worker.running == 0)
    assert talking.closed.is_set()
    assert worker.outcomes["lease lost"] == 1
    assert generations.queue.counts().running == 1, "the thief still has it"


def test_a_worker_that_cannot_send_renews_nothing_and_says_so(
    ask: Ask, worker: Worker, generations: Generations, real_link: RedisLink
) -> None:
    ask()
    settle(lambda: worker.running == 1)
    claim_no_more(worker)
    settle(lambda: generations.queue.counts().workers == 1)
    (sending,) = [loop for loop in worker.loops.loops() if loop.name == "sender"]
    sending.trouble = "sender makes no progress"
    settle(lambda: generations.queue.counts().workers == 0)
    (unwell,) = generations.queue.counts().unwell
    assert unwell == "worker: sender makes no progress"
    stream = next(key for key in real_link.client.keys("*{jobs}:stream"))

    def idle_ms() -> int:
        pending = real_link.client.xpending_range(stream, "workers", "-", "+", 1)
        return int(pending[0]["time_since_delivered"])

    settle(lambda: idle_ms() > generations.queue.lapse_seconds * 1000)
