"""Redis as Hubbub sees it: a client for commands and bare connections for subscriptions.

Four kinds of address lead to the same two things (`REDIS_URL`, contract §8):

    redis://  rediss://  unix://       one server
    redis+sentinel://host,…/name/db    the primary that Sentinel names
    redis+cluster://host,…             a Cluster: one subscription for each primary

redis-py connects, authenticates, finds the primary and routes. Its own retries are off: it repeats
every command after a timeout, also one that was carried out. What may be repeated is repeated by
`run`, because the scripts know a batch that they have seen. Errors of the library become
`RedisUnavailable` here and nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha1
from importlib import resources
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ClusterDownError,
    ClusterError,
    MovedError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from redis.sentinel import Sentinel

from hub.errors import RedisUnavailable

SOCKET_SECONDS = 3.0
CONNECT_SECONDS = 2.0
TRY_SECONDS = 4.0
"""How long a call goes on trying: a restart or a failover within it is not noticed."""

_PASSING = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ReadOnlyError,
    ClusterDownError,
    ClusterError,
    MovedError,
    AskError,
    TryAgainError,
    OSError,
)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Script:
    """A Lua script with the prelude that it shares with the others."""

    text: str
    sha: str

    @classmethod
    def load(cls, *names: str) -> Script:
        text = "\n".join(
            resources.files("hub").joinpath("lua", f"{name}.lua").read_text() for name in names
        )
        return cls.of(text)

    @classmethod
    def of(cls, text: str) -> Script:
        return cls(text, sha1(text.encode()).hexdigest())


class RedisLink:
    """Everything that Hubbub asks of a Redis. Holds no connection until the first call."""

    def __init__(self, client: Any, *, cluster: bool = False, wait_replicas: int = 0) -> None:
        self.client = client
        self.cluster = cluster
        self.wait_replicas = wait_replicas
        # In a Cluster a PUBLISH goes to every node, an SPUBLISH to the channel's shard alone.
        self.publish_command = "SPUBLISH" if cluster else "PUBLISH"

    @classmethod
    def from_url(cls, url: str, *, wait_replicas: int = 0) -> RedisLink:
        scheme = urlsplit(url).scheme
        if scheme == "redis+sentinel":
            return cls(_sentinel_client(url), wait_replicas=wait_replicas)
        if scheme == "redis+cluster":
            return cls(_cluster_client(url), cluster=True, wait_replicas=wait_replicas)
        options = _connection_options()
        if scheme == "unix":
            del options["socket_keepalive"]
        pool = redis.BlockingConnectionPool.from_url(url, **_pool_options(), **options)
        return cls(redis.Redis(connection_pool=pool), wait_replicas=wait_replicas)

    def run(
        self,
        script: Script,
        keys: Sequence[str],
        args: Sequence[object],
        *,
        try_seconds: float = TRY_SECONDS,
    ) -> Any:
        """Run a script, again and again within `try_seconds`. It must bear being repeated."""
        return self.call(
            lambda client: _evaluate(client, script, keys, args), try_seconds=try_seconds
        )

    def call(self, command: Callable[[Any], _T], *, try_seconds: float = TRY_SECONDS) -> _T:
        """Carry out `command(client)`, which must bear being repeated.

        Raises `RedisUnavailable` when it did not succeed in time: it may or may not have happened.
        """
        give_up = time.monotonic() + try_seconds
        pause = 0.02
        while True:
            try:
                return command(self.client)
            except _PASSING as error:
                if time.monotonic() + pause > give_up:
                    raise RedisUnavailable(_in_words(error)) from error
                time.sleep(pause)
                pause = min(pause * 2, 0.5)
            except OutOfMemoryError as error:
                raise RedisUnavailable("Redis has no memory left") from error
            except RedisError as error:
                raise RedisUnavailable(_in_words(error)) from error

    def subscription(self, channel: str) -> tuple[str, Callable[[], Any]]:
        """The node that announces `channel`, and how to make an unconnected connection to it."""
        if self.cluster:
            node = self.node_of(channel)
            pool = node.redis_connection.connection_pool
            return node.name, lambda: pool.connection_class(**pool.connection_kwargs)
        pool = self.client.connection_pool
        return "", lambda: pool.connection_class(**pool.connection_kwargs)

    def node_of(self, channel: str) -> ClusterNode:
        try:
            node: ClusterNode = self.client.get_node_from_key(channel)
            if node.redis_connection is None:
                self.client.get_redis_connection(node)
            return node
        except (*_PASSING, RedisError) as error:
            raise RedisUnavailable(_in_words(error)) from error

    def refresh_topology(self) -> None:
        """Ask a Cluster anew which node holds which slot."""
        if self.cluster:
            self.call(lambda client: client.nodes_manager.initialize())

    def close(self) -> None:
        self.client.close()


def _evaluate(client: Any, script: Script, keys: Sequence[str], args: Sequence[object]) -> Any:
    try:
        return client.evalsha(script.sha, len(keys), *keys, *args)
    except NoScriptError:  # a restart, a failover or SCRIPT FLUSH: sending the text loads it again
        return client.eval(script.text, len(keys), *keys, *args)


def _connection_options() -> dict[str, Any]:
    return {
        "socket_timeout": SOCKET_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }


def _pool_options() -> dict[str, Any]:
    return {"max_connections": 128, "timeout": SOCKET_SECONDS}


def _addresses(netloc: str, default_port: int) -> list[tuple[str, int]]:
    addresses = []
    for part in netloc.rpartition("@")[2].split(","):
        host, _, port = part.rpartition(":") if ":" in part else (part, "", "")
        addresses.append((host.strip("[]"), int(port or default_port)))
    return addresses


def _credentials(url: str) -> dict[str, str]:
    user, _, password = urlsplit(url).netloc.rpartition("@")[0].partition(":")
    found = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in found.items() if value}


def _sentinel_client(url: str) -> Any:
    parts = urlsplit(url)
    name, _, database = parts.path.strip("/").partition("/")
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        _addresses(parts.netloc, 26379),
        sentinel_kwargs=_connection_options(),
        db=int(database or 0),
        **_credentials(url),
        **_connection_options(),
    )
    return sentinel.master_for(name or "mymaster")  # type: ignore[no-untyped-call]


def _cluster_client(url: str) -> RedisCluster:
    parts = urlsplit(url)
    options: dict[str, Any] = {**_connection_options(), **_credentials(url)}
    del options["retry"]
    nodes = [
        ClusterNode(host, port)  # type: ignore[no-untyped-call]
        for host, port in _addresses(parts.netloc, 6379)
    ]
    return RedisCluster(startup_nodes=nodes, cluster_error_retry_attempts=3, **options)


def _in_words(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
