"""Fixtures of the fault suite.

audience     `audience(urls, channel, count=…)`: listeners that return; ended with the test
publish      `publish(urls, channel)`: a started `Publisher`; ended with the test
proxy        `proxy(port)`: a `Proxy` in front of a server
sentinels    primary, replica and three Sentinels
cluster      three primaries with a replica each
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.faults.audience import Audience, Listener
from tests.faults.proxy import Proxy
from tests.faults.publisher import Publisher
from tests.faults.topology import Cluster, Sentinels
from tests.support.process import Process

MakeAudience = Callable[..., Audience]
StartPublisher = Callable[..., Publisher]
MakeProxy = Callable[[int], Proxy]


@pytest.fixture
def audience() -> Iterator[MakeAudience]:
    """`audience(urls, channel, count=8, **Listener's options)`, called again it adds to it."""
    whole = Audience()

    def make(urls: Sequence[str], channel: str, *, count: int = 8, **options: Any) -> Audience:
        for number in range(count):
            # Spread over the processes: each begins with another one.
            turned = [*urls[number % len(urls) :], *urls[: number % len(urls)]]
            whole.add(Listener(turned, channel, seed=number, **options))
        return whole.connected()

    yield make
    whole.stop()


@pytest.fixture
def publish() -> Iterator[StartPublisher]:
    publishers: list[Publisher] = []

    def start(urls: Sequence[str], channel: str, **options: Any) -> Publisher:
        publisher = Publisher(urls, channel, **options)
        publishers.append(publisher)
        publisher.start()
        return publisher

    yield start
    for publisher in publishers:
        with suppress(AssertionError):
            publisher.finish(1)


@pytest.fixture
def proxy() -> Iterator[MakeProxy]:
    proxies: list[Proxy] = []

    def make(target: int) -> Proxy:
        proxies.append(Proxy(target))
        return proxies[-1]

    yield make
    for each in proxies:
        each.close()


@pytest.fixture
def sentinels(processes: list[Process], short_path: Path) -> Sentinels:
    topology = Sentinels(short_path)
    processes.extend(topology.processes)
    return topology.start()


@pytest.fixture
def cluster(processes: list[Process], short_path: Path) -> Cluster:
    topology = Cluster(short_path)
    processes.extend(topology.processes)
    return topology.start()
