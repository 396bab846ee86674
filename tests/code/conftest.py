"""A hub from code, on the session's Valkey, and listeners in threads of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from hub import Hub
from hub.client.subscription import Subscription
from hub.settings import Settings
from hub.store.frame import StoredEvent
from tests.support.deadline import eventually
from tests.support.valkey import Valkey


class Listening:
    """A thread that iterates over a subscription and keeps what it gets."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.events: list[StoredEvent] = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        for event in self.subscription:
            self.events.append(event)

    def take(self, count: int, within_seconds: float = 10.0) -> list[StoredEvent]:
        eventually(lambda: len(self.events) >= count, within_seconds, every_seconds=0.005)
        return self.events

    def data(self) -> list[str]:
        return [event.data for event in self.events]

    def stop(self) -> None:
        self.subscription.close()
        self.thread.join(5)
        assert not self.thread.is_alive(), "close() did not wake the iterator"
        self.subscription.__exit__()


Listen = Callable[[Subscription], Listening]


@pytest.fixture
def hub(valkey: Valkey) -> Iterator[Hub]:
    with Hub.from_url(valkey.url, Settings()) as hub:
        yield hub


@pytest.fixture
def listening() -> Iterator[Listen]:
    started: list[Listening] = []

    def start(subscription: Subscription) -> Listening:
        started.append(Listening(subscription))
        return started[-1]

    yield start
    for one in started:
        one.stop()
