"""Redis is away, restarted, emptied: honest answers meanwhile, everything afterwards."""

from __future__ import annotations

import time

import pytest

from tests.conftest import StartStack, StartValkey
from tests.faults.conftest import MakeAudience, MakeProxy, StartPublisher
from tests.support.deadline import eventually
from tests.support.stack import Stack
from tests.support.valkey import Valkey


def readiness_is(status: int, hub: Stack) -> None:
    """Wait until `/readyz` of every web process answers so."""
    eventually(lambda: {web.get("/readyz").status_code for web in hub.webs} == {status}, 20)


def test_flushed_scripts_are_loaded_again_unnoticed(
    valkey: Valkey, stack: StartStack, audience: MakeAudience, publish: StartPublisher
) -> None:
    hub = stack(workers=0)
    listeners = audience([hub.url], "news", count=3)
    publisher = publish([hub.url], "news").reached(10)
    with valkey.client() as client:
        for _ in range(5):
            client.script_flush()
            publisher.further(10)
    listeners.has_all(publisher.finish())
    assert set(publisher.answers) == {201}


@pytest.mark.parametrize("how", ["killed", "terminated"])
def test_a_restart_with_its_data_loses_nothing_that_was_acknowledged(
    how: str,
    start_valkey: StartValkey,
    stack: StartStack,
    audience: MakeAudience,
    publish: StartPublisher,
) -> None:
    server = start_valkey(options=("--appendonly", "yes", "--appendfsync", "always"))
    hub = stack(webs=2, workers=0, redis_url=server.url)
    urls = [web.url for web in hub.webs]
    listeners = audience(urls, "news")
    publisher = publish(urls, "news").reached(50)
    for _ in range(2):
        server.kill() if how == "killed" else server.terminate()
        server.start()
        publisher.further(30)
    listeners.has_all(publisher.finish())
    assert all(listener.streams == 1 for listener in listeners.listeners)


def test_a_restart_without_data_is_told_and_publishing_goes_on(
    start_valkey: StartValkey, stack: StartStack, audience: MakeAudience, publish: StartPublisher
) -> None:
    server = start_valkey()
    hub = stack(workers=0, redis_url=server.url)
    listeners = audience([hub.url], "news", count=4)
    publisher = publish([hub.url], "news").reached(50)
    listeners.every(lambda listener: listener.last >= 50)
    server.kill()
    server.start()
    publisher.further(30)
    listeners.has_or_was_told(publisher.finish())
    for listener in listeners.listeners:
        assert listener.judge.losses == ["unknown-id"]
        assert listener.streams == 1


def test_an_emptied_redis_is_told_also_where_nothing_is_published_afterwards(
    valkey: Valkey, stack: StartStack, audience: MakeAudience, publish: StartPublisher
) -> None:
    hub = stack(env={"HUB_HEARTBEAT_SECONDS": "1"}, workers=0)
    listeners = audience([hub.url], "news", count=4)
    publisher = publish([hub.url], "news").reached(20)
    listeners.has_all(publisher.finish())
    with valkey.client() as client:
        client.flushall()
    listeners.every(lambda listener: listener.judge.losses == ["unknown-id"])
    # Who leaves before the next event comes back with an id that is lost, and then with one that
    # the verdict gave it.
    for streams in (2, 3):
        for listener in listeners.listeners:
            listener.cut()
        listeners.every(lambda listener, n=streams: listener.streams >= n)  # type: ignore[misc]
    publish([hub.url], "news").reached(1)
    listeners.every(lambda listener: listener.judge.delivered > 20)
    assert [(each.judge.losses, each.judge.again) for each in listeners.listeners] == [
        (["unknown-id"], 1)
    ] * 4
    listeners.sound()


def test_an_emptied_redis_is_told_and_what_follows_is_delivered_whole(
    valkey: Valkey, stack: StartStack, audience: MakeAudience, publish: StartPublisher
) -> None:
    hub = stack(webs=2, workers=0)
    urls = [web.url for web in hub.webs]
    listeners = audience(urls, "news")
    publisher = publish(urls, "news").reached(20)
    with valkey.client() as client:
        client.flushall()
    publisher.further(50)
    listeners.has_or_was_told(publisher.finish())
    for listener in listeners.listeners:
        assert listener.judge.losses == ["unknown-id"]


def test_a_redis_that_is_silent_for_20_seconds_costs_no_stream_no_heartbeat_and_no_event(
    start_valkey: StartValkey, stack: StartStack, audience: MakeAudience, publish: StartPublisher
) -> None:
    server = start_valkey()
    hub = stack(webs=2, redis_url=server.url)
    urls = [web.url for web in hub.webs]
    listeners = audience(urls, "news", silence_seconds=3)
    publisher = publish(urls, "news").reached(50)
    readiness_is(200, hub)
    paused = time.monotonic()
    server.pause()
    readiness_is(503, hub)
    assert all(web.get("/healthz").status_code == 200 for web in hub.webs)
    beats = {listener: listener.heartbeats for listener in listeners.listeners}
    eventually(lambda: time.monotonic() - paused > 20, 30)
    listeners.every(lambda listener: listener.heartbeats > beats[listener] + 5)
    server.resume()
    readiness_is(200, hub)
    publisher.further(30)
    assert publisher.answers[503] > 0
    assert publisher.slowest_seconds < 10
    listeners.has_all(publisher.finish())
    assert all(listener.streams == 1 for listener in listeners.listeners)


def test_a_publisher_is_told_503_while_redis_is_away_and_201_when_it_is_back(
    start_valkey: StartValkey, stack: StartStack
) -> None:
    server = start_valkey()
    hub = stack(workers=0, redis_url=server.url)
    server.kill()
    answer = hub.post("/channels/news/events", json={"data": "lost?"})
    assert (answer.status_code, answer.json()["code"]) == (503, "redis-unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    server.start()
    eventually(lambda: hub.post("/channels/news/events", json={"data": "x"}).status_code == 201)
    assert [event["data"] for event in hub.get("/channels/news/history").json()["events"]] == ["x"]


@pytest.mark.parametrize(
    ("setting", "bad", "good"),
    [("maxmemory", "1", "0"), ("min-replicas-to-write", "1", "0")],
    ids=["no memory left", "too few replicas"],
)
def test_a_redis_that_refuses_to_write_is_not_taken_for_one_that_wrote(
    setting: str, bad: str, good: str, start_valkey: StartValkey, stack: StartStack
) -> None:
    server = start_valkey()
    hub = stack(workers=0, redis_url=server.url)
    with hub.events("news") as stream, server.client() as client:
        stream.next("subscribed")
        client.config_set(setting, bad)
        answer = hub.post("/channels/news/events", json={"data": "refused"})
        assert (answer.status_code, answer.json()["code"]) == (503, "redis-unavailable")
        client.config_set(setting, good)
        hub.publish("news", "stored")
        assert stream.take(1)[0].data == "stored"


def test_an_append_whose_answer_was_lost_is_stored_once(
    start_valkey: StartValkey, stack: StartStack, proxy: MakeProxy
) -> None:
    server = start_valkey(tcp=True)
    between = proxy(server.port)
    hub = stack(workers=0, redis_url=between.url)
    with hub.events("news") as stream:
        stream.next("subscribed")
        hub.publish("news", "first")
        between.swallow_reply_to(b"the second one")
        hub.publish("news", "the second one")
        assert between.swallowed == 1
        hub.publish("news", "third")
        assert [event.data for event in stream.take(3)] == ["first", "the second one", "third"]
    found = [event["data"] for event in hub.get("/channels/news/history").json()["events"]]
    assert found == ["first", "the second one", "third"]


def test_a_listener_that_comes_while_redis_is_away_is_sent_away_politely_and_returns(
    start_valkey: StartValkey, stack: StartStack, audience: MakeAudience, publish: StartPublisher
) -> None:
    server = start_valkey(options=("--appendonly", "yes", "--appendfsync", "always"))
    hub = stack(workers=0, redis_url=server.url)
    publisher = publish([hub.url], "news").reached(20)
    number = publisher.finish()
    server.kill()
    with hub.events("news") as stream:
        assert stream.status == 200
        closing = stream.to_end(12)[-1]
        assert closing.event == "closing" and closing.retry_ms
    answer = hub.get("/channels/news/events?overload=503")
    assert answer.status_code == 503 and answer.headers["Retry-After"]
    server.start()
    audience([hub.url], "news", count=2).has_all(number)
