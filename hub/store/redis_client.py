"""From a `REDIS_URL` (contract §8) to redis-py's client.

    redis://  rediss://  unix://       one server
    redis+sentinel://host,…/name/db    the primary that Sentinel names
    redis+cluster://host,…             a Cluster

redis-py's own retries are off: it repeats every command after a timeout, also one that was carried
out.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelManagedConnection

SOCKET_SECONDS = 3.0
CONNECT_SECONDS = 2.0
MAX_CONNECTIONS = 128
"""Of one process to one server: after a failover thousands of rooms read their history at once."""


def is_cluster(url: str) -> bool:
    return urlsplit(url).scheme == "redis+cluster"


def make(url: str) -> Any:
    """The client of one server or of the primary that Sentinel names. It connects when used."""
    scheme = urlsplit(url).scheme
    if scheme == "redis+sentinel":
        return _make_sentinel(url)
    options = _connection_options()
    if scheme == "unix":
        del options["socket_keepalive"]
    pool = redis.BlockingConnectionPool.from_url(
        url, max_connections=MAX_CONNECTIONS, timeout=SOCKET_SECONDS, **options
    )
    return redis.Redis(connection_pool=pool)


def make_cluster(url: str) -> RedisCluster:
    """Asks for the layout at once. Raises redis-py's errors."""
    parts = urlsplit(url)
    options: dict[str, Any] = {**_connection_options(), **_credentials(url)}
    nodes = [
        ClusterNode(host, port)  # type: ignore[no-untyped-call]
        for host, port in _addresses(parts.netloc, 6379)
    ]
    return RedisCluster(startup_nodes=nodes, max_connections=MAX_CONNECTIONS, **options)


def _make_sentinel(url: str) -> Any:
    parts = urlsplit(url)
    name, _, database = parts.path.strip("/").partition("/")
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        _addresses(parts.netloc, 26379),
        sentinel_kwargs=_connection_options(),
        db=int(database or 0),
        **_credentials(url),
        **_connection_options(),
    )
    return sentinel.master_for(  # type: ignore[no-untyped-call]
        name or "mymaster",
        max_connections=MAX_CONNECTIONS,
        connection_class=_SentinelConnection,
    )


class _SentinelConnection(SentinelManagedConnection):
    """redis-py's own goes back into the pool when its reader is killed, with the reply still to
    come: the next command would get it for its own."""

    def read_response(  # type: ignore[override]
        self, *args: Any, disconnect_on_error: bool = True, **options: Any
    ) -> Any:
        return super().read_response(*args, disconnect_on_error=disconnect_on_error, **options)


def _connection_options() -> dict[str, Any]:
    return {
        "socket_timeout": SOCKET_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }


def _addresses(netloc: str, default_port: int) -> list[tuple[str, int]]:
    addresses = []
    for part in netloc.rpartition("@")[2].split(","):
        has_port = ":" in part and not part.endswith("]")
        host, _, port = part.rpartition(":") if has_port else (part, "", "")
        addresses.append((host.strip("[]"), int(port or default_port)))
    return addresses


def _credentials(url: str) -> dict[str, str]:
    user, _, password = urlsplit(url).netloc.rpartition("@")[0].partition(":")
    found = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in found.items() if value}
