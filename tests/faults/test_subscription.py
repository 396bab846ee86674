"""The subscription is lost, silent or behind: no listener misses anything, none is cut off."""

from __future__ import annotations

import pytest

from tests.conftest import StartStack, StartValkey
from tests.faults.conftest import MakeAudience, MakeProxy, StartPublisher
from tests.support.deadline import eventually
from tests.support.valkey import Valkey


@pytest.mark.parametrize("kind", ["pubsub", "normal"])
def test_killed_connections_cost_nobody_an_event_nor_the_stream(
    kind: str,
    valkey: Valkey,
    stack: StartStack,
    audience: MakeAudience,
    publish: StartPublisher,
) -> None:
    hub = stack(webs=2, workers=0)
    urls = [web.url for web in hub.webs]
    listeners = audience(urls, "news")
    publisher = publish(urls, "news").reached(20)
    with valkey.client() as client:
        for _ in range(3):
            assert client.execute_command("CLIENT", "KILL", "TYPE", kind) > 0
            publisher.further(20)
    listeners.has_all(publisher.finish())
    assert all(listener.streams == 1 for listener in listeners.listeners)


def test_a_half_open_subscription_is_found_and_what_it_hid_is_delivered(
    start_valkey: StartValkey,
    stack: StartStack,
    audience: MakeAudience,
    publish: StartPublisher,
    proxy: MakeProxy,
) -> None:
    server = start_valkey(tcp=True)
    between = proxy(server.port)
    behind = stack(workers=0, redis_url=between.url)
    direct = stack(workers=0, redis_url=server.url)
    listeners = audience([behind.url], "news", count=4)
    publisher = publish([direct.url], "news").reached(20)
    assert between.go_silent() > 0
    publisher.further(100)
    listeners.has_all(publisher.finish())
    assert all(listener.streams == 1 for listener in listeners.listeners)


def test_the_last_event_that_a_lost_subscription_hid_arrives_though_nothing_follows_it(
    start_valkey: StartValkey, stack: StartStack, proxy: MakeProxy
) -> None:
    server = start_valkey(tcp=True)
    between = proxy(server.port)
    # So rarely do the processes compare notes with Redis: here it must not be what helps.
    seldom = {"HUB_HEARTBEAT_SECONDS": "300"}
    behind = stack(env=seldom, workers=0, redis_url=between.url)
    direct = stack(env=seldom, workers=0, redis_url=server.url)
    with behind.events("news") as stream:
        direct.publish("news", "heard")
        stream.take(1)
        eventually(lambda: direct.get("/channels/news").json()["listeners"] == 1)
        between.go_silent()
        direct.publish("news", "not heard")
        assert stream.take(1, within_seconds=25)[0].data == "not heard"


def test_a_process_that_redis_drops_for_lagging_delivers_everything_later(
    start_valkey: StartValkey,
    stack: StartStack,
    audience: MakeAudience,
    publish: StartPublisher,
) -> None:
    server = start_valkey(options=("--client-output-buffer-limit", "pubsub", "64kb", "32kb", "1"))
    hub = stack(webs=2, workers=0, redis_url=server.url)
    lagging, healthy = hub.webs
    listeners = audience([lagging.url], "news", count=4, silence_seconds=20)
    publisher = publish([healthy.url], "news", batch=50, pause_seconds=0).reached(50)
    lagging.pause()
    with server.client() as client:
        eventually(
            lambda: client.info("stats").get("client_output_buffer_limit_disconnections", 0) > 0
        )
    publisher.further(100)
    lagging.resume()
    listeners.has_all(publisher.finish())
    assert all(listener.streams == 1 for listener in listeners.listeners)
