"""Contract §2: `listeners` counts all processes; one who left, or whose process died, is gone from
it within `HUB_HEARTBEAT_SECONDS`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.contract.conftest import WAYS, Hubs, OwnHub
from tests.support import keys
from tests.support.deadline import eventually
from tests.support.stack import Web
from tests.support.stream import EventStream
from tests.support.valkey import Valkey

pytestmark = pytest.mark.slow

Listen = Callable[..., EventStream]


def counted(stream: EventStream, channel: str) -> int:
    """What the next heartbeat says."""
    count: int = json.loads(stream.next("heartbeat").data)["listeners"][channel]
    return count


def says(stream: EventStream, channel: str, wanted: int, within_beats: int) -> None:
    said = [counted(stream, channel)]
    while said[-1] != wanted:
        assert len(said) < within_beats, f"{wanted} wanted, heartbeats said {said}"
        said.append(counted(stream, channel))


def test_the_count_is_of_all_processes_and_one_who_left_is_gone_from_it(
    hubs: Hubs, channel: str, listen: Listen
) -> None:
    settings = {
        "HUB_HISTORY_SECONDS": "1",
        "HUB_HEARTBEAT_SECONDS": "1",
        "HUB_LISTENER_STALL_SECONDS": "1",
    }
    here, there = (hubs(way, "brief", **settings) for way in WAYS)
    path = f"/channels/{channel}/events"
    stream = listen(here.url + path)
    says(stream, channel, 1, within_beats=2)
    others = [listen(there.url + path, query={"heartbeat": 300}), listen(here.url + path)]
    for other in others:
        other.next("subscribed")
    says(stream, channel, 3, within_beats=3)
    assert there.get(f"/channels/{channel}").json()["listeners"] == 3
    assert here.get(f"/channels/{channel}").json()["listeners"] == 3
    # On the portable way a leaving client is only noticed when something is written to it.
    there.publish(channel, "x")
    others[0].cut()
    others[1].close()
    there.publish(channel, "x")
    there.publish(channel, "y")
    says(stream, channel, 1, within_beats=3)


@pytest.mark.parametrize("way", ["taken over"])
def test_whose_process_died_is_gone_from_the_count_within_a_heartbeat(
    own_hub: OwnHub, start_valkey: Callable[..., Valkey], channel: str, listen: Listen
) -> None:
    redis = start_valkey()
    here = own_hub(redis.url, HUB_HEARTBEAT_SECONDS="1")
    there = own_hub(redis.url, HUB_HEARTBEAT_SECONDS="1")
    stream = listen(f"{here.url}/channels/{channel}/events")
    listen(f"{there.url}/channels/{channel}/events").next("subscribed")
    says(stream, channel, 2, within_beats=3)
    there.kill()
    says(stream, channel, 1, within_beats=3)


@pytest.mark.parametrize("way", ["taken over"])
def test_a_process_has_one_subscription_whatever_the_number_of_channels_and_listeners(
    own_hub: OwnHub, start_valkey: Callable[..., Valkey], listen: Listen
) -> None:
    redis = start_valkey()
    hub = own_hub(redis.url, WEB_CONCURRENCY="2")
    streams = [listen(f"{hub.url}/channels/c{n % 10}/events") for n in range(40)]
    streams.append(listen(f"{hub.url}/events?{'&'.join(f'channel=d{n}' for n in range(8))}"))
    for stream in streams:
        stream.next("subscribed")
    with redis.client() as client:
        subscriptions = client.client_list("pubsub")
        assert 1 <= len(subscriptions) <= 2
        of_tokens = 1 if keys.ON else 0
        assert len(client.pubsub_channels()) == 18 + of_tokens


def test_asking_for_the_count_takes_nobody_out_of_it(
    hubs: Hubs, channel: str, listen: Listen
) -> None:
    hub_of = {way: hubs(way, "hub") for way in WAYS}
    path = f"/channels/{channel}"
    for hub in hub_of.values():
        listen(f"{hub.url}{path}/events").next("subscribed")

    def both_say_two() -> bool:
        return all(hub.get(path).json()["listeners"] == 2 for hub in hub_of.values())

    eventually(both_say_two, 3)
    assert all(both_say_two() for _ in range(10))


def test_a_listener_who_leaves_is_noticed_at_once(hubs: Hubs, channel: str, listen: Listen) -> None:
    hub: Web = hubs("taken over", "hub")
    stream = listen(f"{hub.url}/channels/{channel}/events", query={"heartbeat": 300})
    stream.next("subscribed")
    path = f"/channels/{channel}"
    assert hub.get(path).json()["listeners"] == 1
    stream.close()
    eventually(lambda: hub.get(path).json()["listeners"] == 0, 1)
