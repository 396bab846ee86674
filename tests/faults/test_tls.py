"""TLS on every topology, and Sentinels with a name and a password of their own: real servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hub import Hub
from hub.errors import RedisFailure, RedisRefused, RedisUnavailable
from hub.settings import Settings
from hub.store.server_check import check_server
from tests.support.deadline import eventually
from tests.support.process import Process
from tests.support.stack import Web, clean_environ
from tests.support.stream import EventStream
from tests.support.tls_redis import NAME, Authority, TlsCluster, TlsRedis, TlsSentinel
from workers.store import SCRIPT_PACKAGES

Listen = Callable[..., EventStream]
PASSWORD, USER, OTHER = "the-primary-s", "watcher", "the-sentinel-s"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def single(short_path: Path, authority: Authority, processes: list[Process]) -> TlsRedis:
    server = TlsRedis(short_path / "one", authority)
    processes.append(server)
    return server.start()


@pytest.fixture
def sentinel(short_path: Path, authority: Authority, processes: list[Process]) -> TlsSentinel:
    primary = TlsRedis(short_path / "primary", authority, ("--requirepass", PASSWORD))
    watcher = TlsSentinel(
        short_path / "sentinel", primary, primary_password=PASSWORD, user=USER, password=OTHER
    )
    processes += [primary, watcher]
    primary.start()
    watcher.start()
    return watcher


@pytest.fixture
def cluster(short_path: Path, authority: Authority, processes: list[Process]) -> TlsCluster:
    found = TlsCluster(short_path, authority)
    processes += found.nodes
    return found.start()


def goes_round(url: str) -> None:
    """From code: what is published on several channels is heard there."""
    with Hub.from_url(url, Settings()) as hub:
        assert not check_server(hub.history.link, SCRIPT_PACKAGES).missing
        for name in ("news", "sport", "weather", "chess"):
            with hub.subscribe(name) as events:
                published = hub.publish(name, name)
                event = events.next(10)
                assert event is not None and event.id == published


def goes_round_over_http(
    url: str, tmp_path: Path, processes: list[Process], listen: Listen
) -> None:
    web = Web(tmp_path / "web.log", {**clean_environ(), "REDIS_URL": url})
    processes.append(web)
    web.start()
    names = ("news", "sport", "weather", "chess")
    streams = {name: subscribed(listen, f"{web.url}/channels/{name}/events") for name in names}
    for name, stream in streams.items():
        published = web.publish(name, "x")
        assert stream.take(1)[0].id == published


def subscribed(listen: Listen, url: str) -> EventStream:
    """A stream that has begun: a machine under load may ask a client to come again."""

    def begun() -> EventStream | None:
        stream = listen(url)
        return stream if stream.next("subscribed", "closing").event == "subscribed" else None

    stream = eventually(begun, 30)
    assert stream is not None
    return stream


def test_one_server(
    single: TlsRedis,
    authority: Authority,
    tmp_path: Path,
    processes: list[Process],
    listen: Listen,
) -> None:
    url = f"rediss://{single.address}/0?ssl_ca_certs={authority.ca}"
    goes_round(url)
    goes_round_over_http(url, tmp_path, processes, listen)


def test_a_certificate_of_nobody_known_is_not_spoken_to(single: TlsRedis) -> None:
    with (
        Hub.from_url(f"rediss://{single.address}/0", Settings()) as hub,
        pytest.raises(RedisUnavailable),
    ):
        hub.history.link.call(lambda client: client.ping(), try_seconds=0.1)


@pytest.mark.cluster
def test_sentinel_has_a_name_and_a_password_of_its_own(
    sentinel: TlsSentinel,
    authority: Authority,
    tmp_path: Path,
    processes: list[Process],
    listen: Listen,
) -> None:
    url = (
        f"rediss+sentinel://:{PASSWORD}@{sentinel.address}/{NAME}/0?ssl_ca_certs={authority.ca}"
        f"&sentinel_username={USER}&sentinel_password={OTHER}"
    )
    goes_round(url)
    goes_round_over_http(url, tmp_path, processes, listen)


@pytest.mark.cluster
@pytest.mark.parametrize("credentials", ["", f"&sentinel_username={USER}&sentinel_password=wrong"])
def test_a_sentinel_that_wants_another_password_is_named_without_innards(
    sentinel: TlsSentinel, authority: Authority, credentials: str
) -> None:
    url = f"rediss+sentinel://:{PASSWORD}@{sentinel.address}/{NAME}/0?ssl_ca_certs={authority.ca}"
    with (
        Hub.from_url(url + credentials, Settings()) as hub,
        pytest.raises(RedisFailure) as refused,
    ):
        hub.publish("news", "x")
    assert isinstance(refused.value, RedisRefused)
    for innards in (str(sentinel.port), PASSWORD, "Redis<", "Pool", "127.0.0.1"):
        assert innards not in refused.value.detail


@pytest.mark.cluster
def test_a_cluster(
    cluster: TlsCluster,
    authority: Authority,
    tmp_path: Path,
    processes: list[Process],
    listen: Listen,
) -> None:
    hosts = ",".join(node.address for node in cluster.nodes[:2])
    url = f"rediss+cluster://{hosts}/0?ssl_ca_certs={authority.ca}"
    goes_round(url)
    goes_round_over_http(url, tmp_path, processes, listen)
