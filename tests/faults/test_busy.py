"""Nobody is turned away because the processor is busy: only a limit, or a Redis that does not
answer, refuses a stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import gevent
import pytest

from hub.errors import RedisUnavailable
from hub.fanout.delivery import Delivery
from hub.settings import Settings
from hub.store.history import History
from hub.store.redis_link import RedisLink
from tests.conftest import StartStack
from tests.support.deadline import eventually
from tests.support.stream import EventStream
from tests.support.valkey import Valkey

Listen = Callable[..., EventStream]

PATIENCE_SECONDS = 0.3


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
