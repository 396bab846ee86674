"""Generations on a real Valkey, and workers' parts without a process around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from hub.fanout.sender import Sender
from hub.settings import Settings
from hub.store.history import History
from hub.store.redis_link import RedisLink
from tests.support.deadline import eventually
from workers.generation import Generation
from workers.queue import Job, Queue
from workers.request import Request
from workers.run.claim import Claim, Claimer
from workers.run.publisher import Publisher
from workers.run.worker import Worker
from workers.store import Generations

ASKED = Request([{"role": "user", "content": "Why?"}], stop=[], tools=[])
LEASE_SECONDS = 0.4

MakeQueue = Callable[..., Queue]
Ask = Callable[[], Generation]


@pytest.fixture
def make_queue(real_link: RedisLink) -> MakeQueue:
    """`make_queue("a")`: the jobs as worker `a` sees them. Claims wait only for an instant."""

    def make(consumer: str = "", **options: Any) -> Queue:
        return Queue(real_link, LEASE_SECONDS, consumer, block_seconds=0.02, **options)

    return make


@pytest.fixture
def queue(make_queue: MakeQueue) -> Queue:
    return make_queue("worker")


@pytest.fixture
def generations(real_history: History, queue: Queue, settings: Settings) -> Generations:
    return Generations(real_history, queue, settings)


@pytest.fixture
def ask(generations: Generations) -> Ask:
    """A new generation, queued."""
    return lambda: generations.create(ASKED).generation


@pytest.fixture
def sender(real_history: History) -> Iterator[Sender]:
    sender = Sender(real_history)
    yield sender
    sender.stop()


def claimed(queue: Queue) -> Job:
    """The next job, which must come."""
    job = eventually(queue.claim)
    assert job is not None
    return job


def claim_no_more(worker: Worker) -> None:
    """It has the job that the test is about. Waiting for the next one would, in a process that is
    not patched, hold everything up."""
    for loop in worker.loops.loops():
        if loop.name == "claims":
            loop.stop()


class Attempts:
    """Claims of one generation, one after another, as lost or slow workers make them."""

    def __init__(self, generations: Generations, sender: Sender, settings: Settings) -> None:
        self.generations = generations
        self.claimer = Claimer(generations)
        self.over: list[str] = []
        self._sender = sender
        self._settings = settings

    def claim(self, generation_id: str) -> Claim:
        """Claim it whoever has it."""
        entry = Job("0-0", generation_id, self.claimer._clock())
        claim = self.claimer.claim(entry)
        assert claim is not None
        return claim

    def publisher(self, claim: Claim, **options: Any) -> Publisher:
        return Publisher(
            claim,
            self.generations.history,
            self._sender,
            max_event_bytes=options.get("max_event_bytes", self._settings.max_event_bytes),
            max_answer_bytes=options.get("max_answer_bytes", self._settings.max_answer_bytes),
            now=self.generations.now,
            on_over=lambda: self.over.append(claim.fence),
        )

    def begin(self, generation_id: str, **options: Any) -> Publisher:
        return self.publisher(self.claim(generation_id), **options)


@pytest.fixture
def attempts(generations: Generations, sender: Sender, settings: Settings) -> Attempts:
    return Attempts(generations, sender, settings)


@pytest.fixture
def application(settings: Settings, real_link: RedisLink) -> Iterator[Flask]:
    """The whole application, without a worker."""
    application = create_app(settings, real_link)
    yield application
    application.extensions["hubbub"].stop()


@pytest.fixture
def client(application: Flask) -> FlaskClient:
    return application.test_client()
