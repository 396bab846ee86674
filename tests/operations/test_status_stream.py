"""`/status/events`: how the hub is, live, by the hub's own stream."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import StartStack, StartValkey
from tests.support.deadline import eventually
from tests.support.stack import Stack
from tests.support.stream import EventStream
from tests.support.valkey import Valkey

pytestmark = pytest.mark.slow

Listen = Callable[..., EventStream]


@pytest.fixture
def own_valkey(start_valkey: StartValkey) -> Valkey:
    return start_valkey()


@pytest.fixture
def hub(stack: StartStack, own_valkey: Valkey) -> Stack:
    return stack(workers=0, redis_url=own_valkey.url)


def state(stream: EventStream) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stream.next("status").data)
    return found


def channels(valkey: Valkey) -> list[str]:
    with valkey.client() as client:
        found = client.keys("hub:{~status.*:events")
    return [key.decode().partition("{")[2].partition("}")[0] for key in found]


def newest(valkey: Valkey) -> Any:
    (channel,) = channels(valkey)
    with valkey.client() as client:
        return client.xrevrange(f"hub:{{{channel}}}:events", count=1)


def test_those_who_look_on_hear_the_same_from_one_source(
    hub: Stack, own_valkey: Valkey, listen: Listen
) -> None:
    one, other = (listen(f"{hub.url}/status/events") for _ in range(2))
    assert one.next("subscribed") and other.next("subscribed")
    first = one.next("status")
    assert other.next("status").id == first.id
    hub.publish("news", "x")
    eventually(lambda: state(one)["figures"]["published"] == 1)
    told = state(one)
    assert "past" not in told
    assert told["figures"]["listeners"] == 2
    assert told["redis"]["milliseconds"] >= 0
    assert len(channels(own_valkey)) == 1


def test_nothing_is_published_while_nobody_looks_on(
    hub: Stack, own_valkey: Valkey, listen: Listen
) -> None:
    beats = listen(f"{hub.url}/channels/news/events", query={"heartbeat": 1})
    stream = listen(f"{hub.url}/status/events")
    stream.next("status")
    stream.close()
    eventually(lambda: hub.get("/status/data").json()["figures"]["listeners"] == 1)

    def as_before_three_heartbeats() -> bool:
        before = newest(own_valkey)
        for _ in range(3):
            beats.next("heartbeat")
        return bool(newest(own_valkey) == before)

    eventually(as_before_three_heartbeats, 30)


def test_its_channel_cannot_be_asked_for(hub: Stack, own_valkey: Valkey, listen: Listen) -> None:
    listen(f"{hub.url}/status/events").next("status")
    (channel,) = channels(own_valkey)
    for path in (f"/channels/{channel}/events", f"/channels/{channel}/history"):
        assert hub.get(path).status_code == 400
    assert hub.post(f"/channels/{channel}/events", json={"data": 1}).status_code == 400
    assert hub.get(f"/events?channel={channel}").status_code == 400
