"""Nobody is turned away because the processor is busy: only a limit, or a Redis that does not
answer, refuses a stream."""

from __future__ import annotations

import resource
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import gevent
import pytest

from hub.errors import RedisUnavailable
from hub.fanout.delivery import Delivery
from hub.fanout.room import Room
from hub.fanout.subscribe import SubscribeOptions, prepare
from hub.settings import Settings
from hub.store.history import History
from hub.store.redis_link import RedisLink
from hub.web.arrivals import Arrivals
from hub.web.errands import Errands
from tests.conftest import StartStack
from tests.faults.crowd import Crowd
from tests.support.deadline import eventually, patience
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


def until(condition: Callable[[], object]) -> None:
    """Wait as the loop does: it is this process that is to come to it."""
    with gevent.Timeout(10 * patience()):
        while not condition():
            gevent.sleep(0.001)


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


def test_a_room_stays_however_long_a_listener_is_prepared_for_it(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was given up meanwhile, and the listener's stream was a 500, or heard nothing."""
    monkeypatch.setattr("hub.fanout.delivery.LINGER_SECONDS", 0.01)
    current = delivery.wait_until_current

    def slowly(rooms: Sequence[Room]) -> None:
        delivery.room("other")  # unused for less long than the one that is prepared for
        with gevent.Timeout(10 * patience()):
            while "other" in delivery._rooms:
                gevent.sleep(0.01)
        current(rooms)

    monkeypatch.setattr(delivery, "wait_until_current", slowly)
    options = SubscribeOptions(
        last_id=None,
        start=None,
        heartbeat_seconds=15,
        heartbeat_comments=False,
        quiet=False,
        overload_503=False,
    )
    prepared = prepare(delivery, ["news"], options, "127.0.0.1")
    assert prepared is not None
    delivery.opened(prepared.listener)
    assert prepared.listener.rooms == (delivery.room("news"),)


def test_a_redis_that_does_not_answer_is_not_waited_for(delivery: Delivery, valkey: Valkey) -> None:
    room = delivery.room("news")
    delivery.wait_until_current([room])
    valkey.pause()
    try:
        with pytest.raises(RedisUnavailable, match="does not answer"):
            delivery.wait_until_current([room])
    finally:
        valkey.resume()


def test_those_who_come_together_wait_together(
    delivery: Delivery, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis is asked once for all of them, and each is told; also that it did not answer."""
    delivery.wait_until_current([delivery.room("news")])
    arrivals = Arrivals(delivery, Errands())
    barrier, asked = delivery.feed.barrier, list[int]()

    def counted(*args: Any) -> None:
        asked.append(delivery.arriving)
        barrier(*args)

    monkeypatch.setattr(delivery.feed, "barrier", counted)

    def told_when_20_come() -> list[tuple[int, bool]]:
        told: list[tuple[int, bool]] = []

        def begin(number: int, heard: bool) -> None:
            told.append((number, heard))

        for number in range(20):
            arrivals.come("news", partial(begin, number))
        until(lambda: len(told) == 20)
        return told

    assert told_when_20_come() == [(number, True) for number in range(20)]
    valkey.pause()
    try:
        assert told_when_20_come() == [(number, False) for number in range(20)]
    finally:
        valkey.resume()
    assert asked == [20, 20]
    assert delivery.arriving == 0


def test_the_first_of_a_channel_sees_to_it_by_itself(delivery: Delivery) -> None:
    """There is no subscription yet on which Redis could be asked."""
    told: list[bool] = []
    Arrivals(delivery, Errands()).come("news", told.append)
    until(lambda: told == [False])


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
def test_four_thousand_who_come_to_a_fifth_of_a_core_are_all_served(
    channels: int, stack: StartStack
) -> None:
    """They wait for each other, and for the readings of their channels' histories."""
    hub = stack(workers=0)
    # As many as the kernel keeps until the process can take them.
    count = min(4000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)
    with a_fifth_of_a_core(hub.web):
        paths = [f"/channels/c{number % channels}/events" for number in range(count)]
        with Crowd(hub.web, paths, within_seconds=120) as crowd:
            assert Counter(crowd.first_events) == {b"subscribed": count}
