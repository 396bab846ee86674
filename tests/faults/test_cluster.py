"""Three primaries with a replica each: slots move, primaries die, the hub follows."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import pytest

from hub.store.keys import Keys
from tests.conftest import StartStack
from tests.contract.test_door import answers, request
from tests.faults.conftest import MakeAudience, StartPublisher
from tests.faults.publisher import numbers_in_history
from tests.faults.topology import SLOTS, Cluster, slot_of
from tests.support.deadline import eventually
from tests.support.provider import ScriptedProvider, text_for
from tests.support.stream import EventStream

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def slot(channel: str) -> int:
    return slot_of(Keys().pubsub(channel))


def channel_of(cluster: Cluster, number: int) -> str:
    """A channel that the `number`th primary holds."""
    names = (f"news{each}" for each in range(1000))
    return next(name for name in names if cluster.owner(slot(name)) is cluster.nodes[number])


@pytest.mark.parametrize("how", ["key by key", "at once"])
def test_a_moving_slot_costs_its_listeners_nothing(
    how: str, cluster: Cluster, stack: StartStack, audience: MakeAudience, publish: StartPublisher
) -> None:
    hub = stack(webs=2, workers=0, redis_url=cluster.url)
    urls = [web.url for web in hub.webs]
    channel = channel_of(cluster, 0)
    listeners = audience(urls, channel)
    publisher = publish(urls, channel).reached(50)
    for target in (cluster.nodes[1], cluster.nodes[2], cluster.nodes[0]):
        move = cluster.move_slot if how == "key by key" else cluster.move_slot_at_once
        move(slot(channel), target)
        publisher.further(30)
    listeners.has_all(publisher.finish())
    assert all(listener.streams == 1 for listener in listeners.listeners)


def test_all_slots_of_a_primary_move_while_many_channels_of_it_are_listened_to(
    cluster: Cluster, stack: StartStack
) -> None:
    hub = stack(workers=0, redis_url=cluster.url)
    last = SLOTS // 3 - 1
    channels = [name for name in (f"c{number}" for number in range(400)) if slot(name) <= last]
    with ExitStack() as streams:
        listening = {name: streams.enter_context(hub.events(name)) for name in channels}
        for name, stream in listening.items():
            stream.next("subscribed")
            hub.publish(name, "before")
        cluster.move_slots_at_once(0, last, cluster.nodes[1])
        for name in channels:
            hub.publish(name, "after")
        for stream in listening.values():
            assert [event.data for event in stream.take(2)] == ["before", "after"]
            assert [event.event for event in stream.events if event.event == "gap"] == []


def test_a_slot_that_hangs_half_moved_is_refused_honestly_and_then_goes_on(
    cluster: Cluster, stack: StartStack, audience: MakeAudience, publish: StartPublisher
) -> None:
    hub = stack(workers=0, redis_url=cluster.url)
    channel = channel_of(cluster, 0)
    listeners = audience([hub.url], channel, count=4)
    publisher = publish([hub.url], channel).reached(50)
    cluster.begin_to_move(slot(channel), cluster.nodes[1])
    eventually(lambda: publisher.answers[503] > 0 or publisher.wrong, 15)
    cluster.finish_moving(slot(channel), cluster.nodes[1])
    publisher.further(30)
    listeners.has_all(publisher.finish())


def test_a_dying_primary_is_followed_by_its_replica_and_loses_no_acknowledged_event(
    cluster: Cluster, stack: StartStack, audience: MakeAudience, publish: StartPublisher
) -> None:
    hub = stack(env={"HUB_WAIT_REPLICAS": "1"}, webs=2, workers=0, redis_url=cluster.url)
    urls = [web.url for web in hub.webs]
    dying, staying = channel_of(cluster, 0), channel_of(cluster, 1)
    listeners = audience(urls, dying)
    publisher = publish(urls, dying).reached(50)
    with hub.events(staying, timeout=20) as stream:
        stream.next("subscribed")
        old = cluster.owner(slot(dying))
        old.kill()
        hub.publish(staying, "meanwhile")
        assert stream.take(1)[0].data == "meanwhile"
        cluster.owner_other_than(old, slot(dying))
        old.start()  # it comes back as a replica, and is waited for again
        publisher.further(30, within_seconds=30)
        number = publisher.finish()
        listeners.has_or_was_told(number)
        hub.publish(staying, "afterwards")
        assert stream.take(1)[0].data == "afterwards"
    assert numbers_in_history(hub.url, dying) == list(range(1, number + 1))


def test_several_channels_of_several_nodes_travel_on_one_connection_through_a_failover(
    cluster: Cluster, stack: StartStack
) -> None:
    hub = stack(workers=0, redis_url=cluster.url)
    channels = [channel_of(cluster, number) for number in range(3)]
    query = "&".join(f"channel={channel}" for channel in channels)
    with EventStream(f"{hub.url}/events?{query}", timeout=30) as stream:
        stream.next("subscribed")
        for channel in channels:
            hub.publish(channel, f"before in {channel}")
        assert {event.data for event in stream.take(3)} == {f"before in {c}" for c in channels}
        old = cluster.owner(slot(channels[2]))
        with cluster.replica_of(old).client() as client:
            client.execute_command("CLUSTER", "FAILOVER")
        cluster.owner_other_than(old, slot(channels[2]))
        for channel in channels:
            hub.publish(channel, f"after in {channel}")
        assert {event.data for event in stream.take(3)} == {f"after in {c}" for c in channels}
        assert not [event for event in stream.events if event.event == "gap"]


def test_a_web_process_starts_while_the_cluster_is_away_and_works_when_it_comes(
    cluster: Cluster, stack: StartStack, provider: ScriptedProvider
) -> None:
    for node in cluster.nodes:
        node.kill()
    hub = stack(workers=0, redis_url=cluster.url, provider=provider.base_url)
    worker = hub.add_worker()
    assert hub.get("/healthz").status_code == 200
    assert hub.get("/readyz").status_code == 503
    answer = hub.post("/channels/news/events", json={"data": "x"})
    assert (answer.status_code, answer.json()["code"]) == (503, "redis-unavailable")
    for node in cluster.nodes:
        node.start()
    cluster.wait_until_current()
    eventually(lambda: hub.get("/readyz").status_code == 200)
    hub.publish("news", "x")
    assert hub.finished(hub.generate("hello"))["choices"][0]["content"] == text_for("hello")
    assert worker.running


def test_publishes_that_come_in_one_piece_are_answered_while_primaries_die(
    cluster: Cluster, stack: StartStack
) -> None:
    """The loop itself reads them, and must not ask for the layout."""
    hub = stack(workers=0, redis_url=cluster.url)
    parts = urlsplit(hub.url)
    channels = [channel_of(cluster, number) for number in range(3)]
    with closing(socket.create_connection((parts.hostname, parts.port), 30)) as sock:

        def publish(name: str) -> int:
            sock.sendall(request(f"/channels/{name}/events", b"x"))
            ((status, _),) = answers(sock, 1)
            return status

        assert [publish(name) for name in channels] == [201, 201, 201]
        cluster.nodes[0].end()
        assert {publish(name) for name in channels} <= {201, 503}
        eventually(lambda: [publish(name) for name in channels] == [201, 201, 201], 40)
