"""The same troubles on every topology: named as what they are, nothing stored, and once they are
over everybody has everything within seconds.

    READONLY, MASTERDOWN    pass: 503; the connections are dropped
    WRONGPASS, NOAUTH       do not: 500 `redis-refused`, named
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
import redis

from hub import Hub
from hub.settings import Settings
from tests.faults.topology import Cluster, Sentinels
from tests.support.deadline import eventually
from tests.support.process import Process
from tests.support.provider import ScriptedProvider
from tests.support.stack import Stack
from tests.support.stream import EventStream
from tests.support.tls_redis import NAME, Authority, TlsCluster, TlsRedis, TlsSentinel
from tests.support.valkey import Valkey

Listen = Callable[..., EventStream]
Ask = Callable[..., Any]
PASSWORD, OTHER, ADMIN = "a-password-of-the-tests", "another-one", "the-operator-s"


class Place(NamedTuple):
    """`url` with room for credentials; `nodes`: how an operator asks each server that has data."""

    url: str
    nodes: Sequence[Ask]


def operator(server: Any, **tls: Any) -> Ask:
    """Asks as a user of its own, as its replicas do, whatever is done to the hub's."""
    where: dict[str, Any] = {"host": "127.0.0.1", "port": server.port}
    if not server.port:
        where = {"unix_socket_path": str(server.socket)}
    with redis.Redis(**where, **tls) as client:
        client.execute_command("ACL", "SETUSER", "operator", "on", f">{ADMIN}", "~*", "&*", "+@all")
        client.config_set("masteruser", "operator")
        client.config_set("masterauth", ADMIN)

    def ask(*command: Any) -> Any:
        with redis.Redis(**where, **tls, username="operator", password=ADMIN) as client:
            return client.execute_command(*command)

    return ask


def plain(kind: str, directory: Path, processes: list[Process]) -> Place:
    if kind in ("single", "unix"):
        server = Valkey(directory / "one", tcp=kind == "single")
        processes.append(server)
        server.start()
        where = f"redis://{{}}127.0.0.1:{server.port}/0"
        return Place(where if server.port else f"unix://{{}}{server.socket}", [operator(server)])
    ours = Sentinels(directory) if kind == "sentinel" else Cluster(directory)
    processes += ours.processes
    ours.start()
    asks = [operator(node) for node in ours.nodes]
    for sentinel in ours.sentinels if isinstance(ours, Sentinels) else ():
        with sentinel.client() as client:
            auth = ("auth-user", "operator", "auth-pass", ADMIN)
            client.execute_command("SENTINEL", "SET", NAME, *auth)
    scheme, _, rest = ours.url.partition("://")
    return Place(f"{scheme}://{{}}{rest}", asks)


def over_tls(kind: str, directory: Path, processes: list[Process]) -> Place:
    authority = Authority(directory)
    tls = {"ssl": True, "ssl_ca_certs": str(authority.ca)}
    query = f"?ssl_ca_certs={authority.ca}"
    if kind == "cluster":
        cluster = TlsCluster(directory, authority)
        processes += cluster.nodes
        cluster.start()
        hosts = ",".join(node.address for node in cluster.nodes)
        asks = [operator(node, **tls) for node in cluster.nodes]
        return Place(f"rediss+cluster://{{}}{hosts}/0{query}", asks)
    server = TlsRedis(directory / "one", authority)
    processes.append(server)
    server.start()
    asks = [operator(server, **tls)]
    if kind == "single":
        return Place(f"rediss://{{}}{server.address}/0{query}", asks)
    watcher = TlsSentinel(
        directory / "sentinel", server, primary_password=PASSWORD, user="watcher", password=OTHER
    )
    processes.append(watcher)
    watcher.start()
    query += f"&sentinel_username=watcher&sentinel_password={OTHER}"
    return Place(f"rediss+sentinel://{{}}{watcher.address}/{NAME}/0{query}", asks)


PLACES = ("single", "unix", "sentinel", "cluster", "single tls", "sentinel tls", "cluster tls")


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, short_path: Path, processes: list[Process]) -> Place:
    kind, _, tls = request.param.partition(" ")
    return (over_tls if tls else plain)(kind, short_path, processes)


class Running:
    """A stack at a place, and one listener of two channels that stays through everything."""

    def __init__(self, stack: Stack, listen: Listen) -> None:
        self.stack = stack
        self.stream = listen(f"{stack.url}/channels/news/events", query={"heartbeat": 1})
        self.stream.next("subscribed")

    def publish(self, within_seconds: float = 20.0) -> str:
        """One event, which is taken at last, once."""

        name = uuid4().hex

        def taken() -> str | None:
            body, key = {"data": "x"}, {"Idempotency-Key": name}
            answer = self.stack.post("/channels/news/events", json=body, headers=key)
            return answer.json()["id"] if answer.status_code in (200, 201) else None

        found = eventually(taken, within_seconds)
        assert found is not None
        return found

    def goes_on(self) -> None:
        """The listener has exactly what was acknowledged, and a question is answered."""
        published = self.publish()
        assert self.stream.take(1, 30)[0].id == published
        asked = self.stack.post("/generations", json={"prompt": "hello"})
        assert asked.status_code == 202, asked.text
        assert self.stack.finished(asked.json()["id"])["status"] == "completed"


@pytest.fixture
def start(
    tmp_path: Path, processes: list[Process], provider: ScriptedProvider, listen: Listen
) -> Iterator[Callable[[str], Running]]:
    stacks: list[Stack] = []

    def start(url: str) -> Running:
        env = {
            "REDIS_URL": url,
            "OPENAI_BASE_URL": provider.base_url,
            "OPENAI_API_KEY": "a-key-of-the-tests",
            "HUB_HEARTBEAT_SECONDS": "1",
            "HUB_LEASE_SECONDS": "2",
        }
        stack = Stack(tmp_path, env)
        stacks.append(stack)
        stack.start()
        processes.extend((*stack.webs, *stack.workers))
        return Running(stack, listen)

    yield start
    for stack in stacks:
        stack.end()


def everywhere(place: Place, *command: Any) -> None:
    for ask in place.nodes:
        ask(*command)


def drop_connections(place: Place) -> None:
    for kind in ("normal", "pubsub"):
        for ask in place.nodes:
            with suppress(redis.ResponseError):
                ask("CLIENT", "KILL", "TYPE", kind)


def refused(hub: Running, named: str) -> None:
    """For good: in these words, nothing stored, and no right to hope."""

    def answers() -> list[Any]:
        answer = hub.stack.post("/channels/news/events", json={"data": "refused"})
        return [answer] if answer.status_code != 503 else []

    [answer] = eventually(answers, 20)
    assert (answer.status_code, answer.json()["code"]) == (500, "redis-refused"), answer.text
    assert named in answer.json()["detail"]
    assert "Retry-After" not in answer.headers
    ready = hub.stack.get("/readyz")
    assert ready.status_code == 503
    assert named in ready.text, ready.text
    for secret in (PASSWORD, OTHER, "127.0.0.1"):
        assert secret not in answer.text + ready.text


def test_a_password_that_was_changed_is_named_and_its_return_is_enough(
    place: Place, start: Callable[[str], Running]
) -> None:
    everywhere(place, "CONFIG", "SET", "requirepass", PASSWORD)
    hub = start(place.url.format(f":{PASSWORD}@"))
    hub.goes_on()
    everywhere(place, "CONFIG", "SET", "requirepass", OTHER)
    drop_connections(place)

    refused(hub, "WRONGPASS")

    everywhere(place, "CONFIG", "SET", "requirepass", PASSWORD)
    hub.goes_on()
    for unwanted in (PASSWORD, "Traceback"):
        assert unwanted not in hub.stack.logs()


def test_a_password_that_is_wanted_now_is_named_and_its_end_is_enough(
    place: Place, start: Callable[[str], Running]
) -> None:
    hub = start(place.url.format(""))
    hub.goes_on()
    everywhere(place, "CONFIG", "SET", "requirepass", OTHER)
    drop_connections(place)

    refused(hub, "NOAUTH")

    everywhere(place, "CONFIG", "SET", "requirepass", "")
    hub.goes_on()
    assert "Traceback" not in hub.stack.logs()


@pytest.mark.parametrize("serves_stale", ["yes", "no"], ids=["READONLY", "MASTERDOWN"])
@pytest.mark.parametrize("place", ["single", "unix", "sentinel", "sentinel tls"], indirect=True)
def test_a_server_that_is_a_replica_for_a_while_is_waited_for(
    place: Place, serves_stale: str, start: Callable[[str], Running]
) -> None:
    """A Cluster's node refuses `REPLICAOF`, and says MOVED when it has been demoted."""
    hub = start(place.url.format(""))
    hub.goes_on()
    everywhere(place, "CONFIG", "SET", "replica-serve-stale-data", serves_stale)
    everywhere(place, "REPLICAOF", "127.0.0.1", "1")

    answer = hub.stack.post("/channels/news/events", json={"data": "x"})
    assert (answer.status_code, answer.json()["code"]) == (503, "redis-unavailable")
    assert "replica" in answer.json()["detail"]
    assert "Retry-After" in answer.headers
    ready = hub.stack.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (503, "redis-unavailable")

    everywhere(place, "REPLICAOF", "NO", "ONE")
    hub.goes_on()
    assert "Traceback" not in hub.stack.logs()


APART = [
    *((place, "prefix") for place in PLACES),
    *((place, "database") for place in PLACES if "cluster" not in place),
]


@pytest.mark.parametrize(("place", "apart"), APART, indirect=["place"])
def test_two_hubs_hear_nothing_of_each_other(place: Place, apart: str) -> None:
    url = place.url.format("")
    there = url
    if apart == "database":
        there = url.replace("/0", "/1") if "/0" in url else f"{url}?db=1"
    prefixes = ("one", "two") if apart == "prefix" else ("hub", "hub")
    with (
        Hub.from_url(url, Settings(key_prefix=prefixes[0])) as one,
        Hub.from_url(there, Settings(key_prefix=prefixes[1])) as other,
        one.subscribe("news") as heard,
        other.subscribe("news") as heard_there,
    ):
        first = one.publish("news", "of the one")
        one.history.delete("news")
        second = other.publish("news", "of the other")

        # Had anything crossed, it would stand in front of this.
        event = heard_there.next(10)
        assert event is not None and (event.id, event.data) == (second, "of the other")
        event = heard.next(10)
        assert event is not None and event.id == first
        assert other.history.inspect("news").retained == 1
