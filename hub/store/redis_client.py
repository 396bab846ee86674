"""From a `REDIS_URL` (contract §8) to redis-py's client.

    redis://  rediss://  unix://                            one server
    redis+sentinel://host,…/name/db  rediss+sentinel://…    the primary that Sentinel names
    redis+cluster://host,…           rediss+cluster://…     a Cluster

With `rediss` every connection is TLS, those to the Sentinels too. What redis-py takes behind the
`?` of a `rediss://` URL about certificates (`ssl_ca_certs`, `ssl_cert_reqs`, `ssl_certfile`,
`ssl_keyfile`, `ssl_check_hostname`) it takes here on every topology. Sentinels are shown the
primary's name and password where they want some, unless `sentinel_username` and `sentinel_password`
say others.

redis-py's own retries are off: it repeats every command after a timeout, also one that was carried
out.
"""

from __future__ import annotations

from contextlib import suppress
from queue import Full
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import (
    Connection,
    DefaultParser,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)
from redis.exceptions import AuthenticationError, MaxConnectionsError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelManagedConnection

from hub.process import current, cut_off_in_children
from hub.store.peek import peek

SOCKET_SECONDS = 3.0
CONNECT_SECONDS = 2.0
MAX_CONNECTIONS = 128
"""Of one process to one server: after a failover thousands of rooms read their history at once."""

_CREDENTIALS = ("username", "password")


_NONE_FREE = "No connection available."


def is_none_free(error: Exception) -> bool:
    """Whether it says that all connections to a server are in use."""
    return isinstance(error, MaxConnectionsError) or (
        isinstance(error, RedisConnectionError) and str(error) == _NONE_FREE
    )


def is_cluster(url: str) -> bool:
    return urlsplit(url).scheme.endswith("+cluster")


def database_of(url: str) -> int:
    """The number of the database that `url` names."""
    if urlsplit(url).scheme.endswith("+sentinel"):
        return _sentinel_place(url)[1]
    return 0 if is_cluster(url) else int(_parsed(url).get("db", 0))


def make(url: str) -> Any:
    """The client of one server or of the primary that Sentinel names. It connects when used."""
    scheme = urlsplit(url).scheme
    if scheme.endswith("+sentinel"):
        return _make_sentinel(url)
    options = _connection_options()
    if scheme == "unix":
        del options["socket_keepalive"]
    pool = _Pool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=SOCKET_SECONDS,
        connection_class=_CONNECTIONS[scheme],
        **options,
    )
    return redis.Redis(connection_pool=pool)


def make_cluster(url: str) -> RedisCluster:
    """Asks for the layout at once. Raises redis-py's errors."""
    (host, port), *others = _addresses(urlsplit(url).netloc, 6379)
    return RedisCluster(
        # A URL of its own is the only way to give it a class of connections.
        url=f"redis://[{host}]:{port}" if ":" in host else f"redis://{host}:{port}",
        startup_nodes=[
            ClusterNode(*address)  # type: ignore[no-untyped-call]
            for address in others
        ],
        connection_class=_CONNECTIONS["rediss" if _is_tls(url) else "redis"],
        max_connections=MAX_CONNECTIONS,
        **{**_connection_options(), **_url_options(url)},
    )


def _make_sentinel(url: str) -> Any:
    name, database = _sentinel_place(url)
    options = _url_options(url)
    asking: dict[str, Any] = {k: v for k, v in options.items() if k.startswith("ssl_")}
    for key in _CREDENTIALS:
        value = options.pop(f"sentinel_{key}", None) or options.get(key)
        if value:
            asking[key] = value
    # A password of the Sentinels' own goes with the default user, and not with the primary's name.
    if "sentinel_password=" in urlsplit(url).query and "sentinel_username=" not in url:
        asking.pop("username", None)
    if "password" in asking and not any(f"sentinel_{key}=" in url for key in _CREDENTIALS):
        asking["redis_connect_func"] = _show_if_wanted
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        _addresses(urlsplit(url).netloc, 26379),
        sentinel_kwargs={**_client_options(), **asking, "ssl": _is_tls(url)},
        db=database,
        **{**_connection_options(), **options},
    )
    return sentinel.master_for(  # type: ignore[no-untyped-call]
        name,
        max_connections=MAX_CONNECTIONS,
        connection_class=_SentinelTLSConnection if _is_tls(url) else _SentinelConnection,
    )


def _show_if_wanted(connection: Connection) -> None:
    """The primary's name and password, to a Sentinel that may have neither: then it refuses them,
    and answers all the same. One that wants others says NOAUTH to what it is asked next."""
    connection._parser.on_connect(connection)
    shown = [word for word in (connection.username, connection.password) if word]
    connection.send_command("AUTH", *shown, check_health=False)  # type: ignore[no-untyped-call]
    with suppress(AuthenticationError):
        connection.read_response(disconnect_on_error=False)


class _Pool(redis.BlockingConnectionPool):
    def release(self, connection: Any) -> None:
        with suppress(Full):  # of a child's, where the connection was the parent's
            super().release(connection)  # type: ignore[no-untyped-call]


class _OfOneProcess:
    """A connection that a child of a fork does not share."""

    def _connect(self) -> Any:
        here = current()
        sock = super()._connect()  # type: ignore[misc]
        if current() is not here:
            sock.close()
            raise RedisConnectionError("made by the process that this one was forked from")
        cut_off_in_children(sock)
        return sock


class _HearsLastWords(_OfOneProcess):
    """A connection that hears why Redis hung up in the middle of a command.

    A value beyond `proto-max-bulk-len` is answered and the connection closed while it is still
    being sent. redis-py then sees a broken pipe, which looks like a Redis that went away.
    """

    _sock: Any

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        if not self._sock:
            self.connect_check_health(check_health=False)  # type: ignore[attr-defined]
        if check_health:
            self.check_health()  # type: ignore[attr-defined]
        sock = self._sock
        try:
            for item in [command] if isinstance(command, str) else command:
                sock.sendall(item)
        except TimeoutError:
            self.disconnect()  # type: ignore[attr-defined]
            raise RedisTimeoutError("writing") from None
        except OSError as error:
            words = last_words(sock)
            self.disconnect()  # type: ignore[attr-defined]
            if words:
                raise ResponseError(words) from error
            raise RedisConnectionError(f"Error {error.errno} while writing") from error
        except BaseException:  # killed in the middle: nobody may go on behind half a command
            self.disconnect()  # type: ignore[attr-defined]
            raise


def last_words(sock: Any) -> str:
    """The error reply that a socket which cannot be written to any more still holds, or ''."""
    try:
        sock.settimeout(0.1)
        received: bytes = sock.recv(4096)
    except OSError:
        return ""
    return received[1:].partition(b"\r\n")[0].decode() if received.startswith(b"-") else ""


class _PatientParser(DefaultParser):  # type: ignore[misc, valid-type]
    """A parser that does not take its own process's lack of processor for Redis's silence."""

    _sock: Any

    def read_from_socket(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_from_socket(*args, **options)
        except RedisTimeoutError:
            if not peek(self._sock):
                raise
            return super().read_from_socket(*args, **options)


class _Connection(_HearsLastWords, Connection):
    pass


class _TLSConnection(_HearsLastWords, SSLConnection):
    pass


class _SocketFileConnection(_HearsLastWords, UnixDomainSocketConnection):
    pass


_CONNECTIONS: dict[str, Any] = {
    "redis": _Connection,
    "rediss": _TLSConnection,
    "unix": _SocketFileConnection,
}


class _SentinelConnection(_HearsLastWords, SentinelManagedConnection):
    """redis-py's own goes back into the pool when its reader is killed, with the reply still to
    come: the next command would get it for its own."""

    def read_response(  # type: ignore[override]
        self, *args: Any, disconnect_on_error: bool = True, **options: Any
    ) -> Any:
        return super().read_response(*args, disconnect_on_error=disconnect_on_error, **options)


class _SentinelTLSConnection(_SentinelConnection, SSLConnection):
    pass


def _connection_options() -> dict[str, Any]:
    return {**_client_options(), "parser_class": _PatientParser}


def _client_options() -> dict[str, Any]:
    """Those that redis-py's clients know, too: the ones that ask Sentinels are such."""
    return {
        "socket_timeout": SOCKET_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }


def _is_tls(url: str) -> bool:
    return urlsplit(url).scheme.startswith("rediss")


def _sentinel_place(url: str) -> tuple[str, int]:
    name, _, database = urlsplit(url).path.strip("/").partition("/")
    return unquote(name) or "mymaster", int(database or 0)


def _url_options(url: str) -> dict[str, Any]:
    """Name, password and what stands behind the `?`, as redis-py reads them from its own URLs."""
    parts = urlsplit(url)
    credentials = parts.netloc.rpartition("@")[0]
    place = f"{credentials}@host" if credentials else "host"
    options = _parsed(urlunsplit(("redis", place, "", parts.query, "")))
    del options["host"]
    return options


def _parsed(url: str) -> dict[str, Any]:
    found: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
    return found


def _addresses(netloc: str, default_port: int) -> list[tuple[str, int]]:
    addresses = []
    for part in netloc.rpartition("@")[2].split(","):
        has_port = ":" in part and not part.endswith("]")
        host, _, port = part.rpartition(":") if has_port else (part, "", "")
        addresses.append((host.strip("[]"), int(port or default_port)))
    return addresses
