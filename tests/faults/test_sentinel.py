"""One primary, one replica, three Sentinels: the primary goes, the hub follows."""

from __future__ import annotations

import signal

import pytest

from hub.store.redis_link import RedisLink
from tests.conftest import StartStack
from tests.faults.conftest import MakeAudience, StartPublisher
from tests.faults.publisher import numbers_in_history
from tests.faults.topology import Sentinels
from tests.support.deadline import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def test_a_failover_costs_no_stream_and_no_event_that_a_replica_had_acknowledged(
    sentinels: Sentinels, stack: StartStack, audience: MakeAudience, publish: StartPublisher
) -> None:
    hub = stack(env={"HUB_WAIT_REPLICAS": "1"}, webs=2, workers=0, redis_url=sentinels.url)
    urls = [web.url for web in hub.webs]
    listeners = audience(urls, "news")
    publisher = publish(urls, "news").reached(50)
    old = sentinels.primary
    old.kill()
    # The one that died comes back as a replica, and is waited for again.
    sentinels.rejoin(old, sentinels.other_than(old))
    publisher.further(30)
    number = publisher.finish()
    listeners.has_or_was_told(number)
    assert all(listener.streams == 1 for listener in listeners.listeners)
    found = numbers_in_history(hub.url, "news")
    assert found == list(range(1, number + 1))


def test_a_failover_without_waiting_for_replicas_loses_nothing_unsaid(
    sentinels: Sentinels, stack: StartStack, audience: MakeAudience, publish: StartPublisher
) -> None:
    hub = stack(webs=2, workers=0, redis_url=sentinels.url)
    urls = [web.url for web in hub.webs]
    listeners = audience(urls, "news")
    publisher = publish(urls, "news").reached(50)
    old = sentinels.primary
    old.kill()
    sentinels.other_than(old)
    publisher.further(30)
    listeners.has_or_was_told(publisher.finish())
    assert all(listener.streams == 1 for listener in listeners.listeners)


def test_a_primary_that_falls_silent_and_comes_back_as_a_replica_deceives_nobody(
    sentinels: Sentinels, stack: StartStack, audience: MakeAudience, publish: StartPublisher
) -> None:
    hub = stack(env={"HUB_WAIT_REPLICAS": "1"}, workers=0, redis_url=sentinels.url)
    listeners = audience([hub.url], "news", count=4)
    publisher = publish([hub.url], "news").reached(50)
    old = sentinels.primary
    old.pause()
    sentinels.other_than(old)
    old.resume()
    publisher.further(30)
    listeners.has_or_was_told(publisher.finish())


def test_an_event_that_no_replica_has_is_not_acknowledged_however_often_it_is_sent(
    sentinels: Sentinels, stack: StartStack
) -> None:
    hub = stack(env={"HUB_WAIT_REPLICAS": "1"}, workers=0, redis_url=sentinels.url)
    hub.publish("news", "one")
    replica = sentinels.replica
    replica.pause()
    for _ in range(2):
        answer = hub.post(
            "/channels/news/events", json={"data": "two"}, headers={"Idempotency-Key": "k"}
        )
        assert (answer.status_code, answer.json()["code"]) == (503, "redis-unavailable")
        assert "replicas" in answer.json()["detail"]
    replica.resume()

    def acknowledged() -> bool:
        answer = hub.post(
            "/channels/news/events", json={"data": "two"}, headers={"Idempotency-Key": "k"}
        )
        return bool(answer.status_code == 200)

    eventually(acknowledged)
    found = [event["data"] for event in hub.get("/channels/news/history").json()["events"]]
    assert found == ["one", "two"]


class Killed(BaseException):
    """As gevent kills a greenlet: in the middle of whatever it is doing."""


def test_a_call_that_is_killed_leaves_no_reply_behind_for_the_next_one(
    sentinels: Sentinels,
) -> None:
    """A worker that ends kills its claim: under Sentinel what it did next got the claim's reply."""

    def kill(*_: object) -> None:
        raise Killed

    link = RedisLink.from_url(sentinels.url)
    before = signal.signal(signal.SIGALRM, kill)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(Killed):
            link.call(lambda client: client.blpop("nothing", timeout=1), try_seconds=0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert link.call(lambda client: client.echo("mine")) == b"mine"
    link.close()
