"""The facade on more than one Redis. `REDIS_URL` is all that a program changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import Hub
from hub.errors import RedisUnavailable
from hub.settings import Settings
from hub.store.keys import Keys
from tests.code.conftest import Listen
from tests.faults.topology import Cluster, Sentinels, slot_of
from tests.support.process import Process

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.fixture
def cluster(short_path: Path, processes: list[Process]) -> Iterator[Cluster]:
    found = Cluster(short_path)
    processes.extend(found.processes)
    yield found.start()


@pytest.fixture
def sentinels(short_path: Path, processes: list[Process]) -> Iterator[Sentinels]:
    found = Sentinels(short_path)
    processes.extend(found.processes)
    yield found.start()


def test_on_a_cluster_many_events_reach_channels_of_every_node(
    cluster: Cluster, listening: Listen
) -> None:
    channels = [f"c{number}" for number in range(12)]
    with Hub.from_url(cluster.url, Settings()) as hub:
        listeners = {name: listening(hub.subscribe(name)) for name in channels}
        for _ in range(5):
            hub.publish_many([(name, name, None) for name in channels])
        for name, listener in listeners.items():
            listener.take(5)
            assert listener.data() == [name] * 5


def test_a_dying_primary_of_a_cluster_costs_a_listener_nothing(
    cluster: Cluster, listening: Listen
) -> None:
    with Hub.from_url(cluster.url, Settings(wait_replicas=1)) as hub:
        hub.publish_many([("news", "0", None), ("sport", "x", None)])
    with Hub.from_url(cluster.url, Settings()) as hub:
        listener = listening(hub.subscribe("news", after="0-0"))
        listener.take(1)
        slot = slot_of(Keys().pubsub("news"))
        old = cluster.owner(slot)
        old.kill()
        cluster.owner_other_than(old, slot)

        hub.publish_many([("news", "2", None), ("sport", "x", None)])
        hub.publish("news", "3")

        listener.take(3, 20)
        assert listener.data() == ["0", "2", "3"]


def test_many_events_that_too_few_replicas_have_are_not_acknowledged(
    sentinels: Sentinels,
) -> None:
    with Hub.from_url(sentinels.url, Settings(wait_replicas=1)) as hub:
        hub.publish_many([("news", "1", None)])
        sentinels.replica.pause()
        try:
            with pytest.raises(RedisUnavailable, match="replicas"):
                hub.publish_many([("news", "2", None)])
        finally:
            sentinels.replica.resume()


def test_a_failover_by_sentinel_costs_a_listener_nothing(
    sentinels: Sentinels, listening: Listen
) -> None:
    with Hub.from_url(sentinels.url, Settings()) as hub:
        listener = listening(hub.subscribe("news"))
        hub.publish("news", "1")
        listener.take(1)
        with sentinels.primary.client() as client:
            client.wait(1, 2000)
        old = sentinels.primary
        old.kill()
        sentinels.other_than(old)

        hub.publish_many([("news", "2", None)])

        listener.take(2, 20)
        assert listener.data() == ["1", "2"]
