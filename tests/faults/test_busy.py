"""Nobody is turned away because the processor is busy: only a limit, or a Redis that does not
answer, refuses a stream."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
import pytest

from hub.errors import RedisUnavailable
from hub.fanout.delivery import Delivery
from hub.settings import Settings
from hub.store.history import History
from hub.store.redis_link import RedisLink
from tests.conftest import StartStack
from tests.faults.crowd import Crowd
from tests.support.deadline import eventually
from tests.support.stack import Web
from tests.support.stream import EventStream
from tests.support.valkey import Valkey

Listen = Callable[..., EventStream]

PATIENCE_SECONDS = 0.3
RUN_SECONDS, STAND_SECONDS = 0.02, 0.08
"""How a quota of a fifth of a core looks to a process."""


@pytest.fixture
def delivery(
    real_link: RedisLink, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Delivery]:
    monkeypatch.setattr("hub.fanout.delivery.BARRIER_SECONDS", PATIENCE_SECONDS)
    made = Delivery(History(real_link, settings), settings)
    made.start()
    yield made
    made.stop()


def held_up(seconds: float) -> None:
    """The whole process stands still, as one does that gets no processor; its sockets fill."""
    time.sleep(seconds)


def test_a_process_that_got_no_processor_serves_all_who_came_meanwhile(delivery: Delivery) -> None:
    """Redis has answered in time, and the process reads it when its own patience is over."""
    room = delivery.room("news")
    delivery.wait_until_current([room])
    arrivals = [gevent.spawn(delivery.wait_until_current, [room]) for _ in range(20)]
    gevent.sleep(0)  # they have asked
    assert delivery.arriving == 20

    held_up(3 * PATIENCE_SECONDS)

    gevent.joinall(arrivals, timeout=10, raise_error=True)
    assert delivery.arriving == 0


def test_a_redis_that_does_not_answer_is_not_waited_for(delivery: Delivery, valkey: Valkey) -> None:
    room = delivery.room("news")
    delivery.wait_until_current([room])
    valkey.pause()
    try:
        with pytest.raises(RedisUnavailable, match="does not answer"):
            delivery.wait_until_current([room])
    finally:
        valkey.resume()


def test_a_refused_stream_says_why_in_the_log(stack: StartStack, listen: Listen) -> None:
    hub = stack(env={"HUB_MAX_LISTENERS": "1"}, workers=0)
    listen(f"{hub.url}/channels/news/events").next("subscribed")

    assert listen(f"{hub.url}/channels/news/events").next().event == "closing"

    eventually(lambda: "reason=overloaded: there are too many listeners" in hub.web.log())


@contextmanager
def a_fifth_of_a_core(web: Web) -> Iterator[None]:
    over = threading.Event()

    def throttle() -> None:
        while not over.is_set():
            web.pause()
            over.wait(STAND_SECONDS)
            web.resume()
            over.wait(RUN_SECONDS)

    thread = threading.Thread(target=throttle)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 2500])
def test_five_thousand_who_come_to_a_fifth_of_a_core_are_all_served(
    channels: int, stack: StartStack
) -> None:
    """They wait for each other, and for the readings of their channels' histories."""
    hub = stack(workers=0)
    count = min(5000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)
    with a_fifth_of_a_core(hub.web):
        paths = [f"/channels/c{number % channels}/events" for number in range(count)]
        with Crowd(hub.web, paths, within_seconds=120) as crowd:
            assert crowd.first_events == [b"subscribed"] * count
