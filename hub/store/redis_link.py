"""Redis as Hubbub sees it: a client for commands and bare connections for subscriptions.

redis-py connects, authenticates, finds the primary and routes (`redis_client`). What may be
repeated is repeated by `run`, because the scripts know a batch that they have seen. Errors of the
library become `RedisUnavailable` here and nowhere else.

With `wait_replicas` a `durable` run counts as done only when that many replicas have it: a `WAIT`
follows on the same connection, because it waits for what that connection has written.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha1
from importlib import resources
from typing import Any, TypeVar

from redis.cluster import ClusterNode
from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ClusterDownError,
    ClusterError,
    MovedError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from hub.errors import RedisUnavailable
from hub.store import redis_client

TRY_SECONDS = 4.0
"""How long a call goes on trying: a restart or a failover within it is not noticed."""
WAIT_MS = 1000


class TooFewReplicas(RedisError):
    """It was carried out, but too few replicas have it: a failover could lose it."""


_PASSING = (
    TooFewReplicas,
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ReadOnlyError,
    ClusterDownError,
    ClusterError,
    RedisClusterException,
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
        folder = resources.files("hub.store").joinpath("lua")
        text = "\n".join(folder.joinpath(f"{name}.lua").read_text() for name in names)
        return cls.of(text)

    @classmethod
    def of(cls, text: str) -> Script:
        return cls(text, sha1(text.encode()).hexdigest())


class RedisLink:
    """Everything that Hubbub asks of a Redis. Holds no connection until the first call."""

    def __init__(
        self,
        client: Any = None,
        *,
        make: Callable[[], Any] | None = None,
        cluster: bool = False,
        wait_replicas: int = 0,
    ) -> None:
        """`make` makes the client at the first call: a Cluster's asks for its layout at once."""
        self._client = client
        self._make = make
        self._making = threading.Lock()
        self.cluster = cluster
        self.wait_replicas = wait_replicas
        # In a Cluster a PUBLISH goes to every node, an SPUBLISH to the channel's shard alone.
        self.publish_command = "SPUBLISH" if cluster else "PUBLISH"

    @classmethod
    def from_url(cls, url: str, *, wait_replicas: int = 0) -> RedisLink:
        if redis_client.is_cluster(url):
            make = partial(redis_client.make_cluster, url)
            return cls(make=make, cluster=True, wait_replicas=wait_replicas)
        return cls(redis_client.make(url), wait_replicas=wait_replicas)

    @property
    def client(self) -> Any:
        if self._client is None and self._make is not None:
            with self._making:
                if self._client is None:
                    self._client = self._make()
        return self._client

    def run(
        self,
        script: Script,
        keys: Sequence[str],
        args: Sequence[object],
        *,
        try_seconds: float = TRY_SECONDS,
        durable: bool = False,
    ) -> Any:
        """Run a script, again and again within `try_seconds`. It must bear being repeated.

        `durable`: it is done when `wait_replicas` replicas have it; until then it is repeated, and
        each time it must write something, or there would be nothing to wait for.
        """
        if durable and self.wait_replicas:
            return self.call(
                lambda _: self._run_durably(script, keys, args), try_seconds=try_seconds
            )
        return self.call(
            lambda client: _evaluate(client, script, keys, args), try_seconds=try_seconds
        )

    @property
    def wait_command(self) -> tuple[object, ...] | None:
        """What follows writes that are to be durable, on the same connection; None: nothing."""
        return ("WAIT", self.wait_replicas, WAIT_MS) if self.wait_replicas else None

    def check_waited(self, replicas: Any) -> None:
        """Judge the answer to `wait_command`. Raises `RedisError`."""
        if isinstance(replicas, Exception):
            raise replicas
        if replicas < self.wait_replicas:
            raise TooFewReplicas(f"{replicas} of {self.wait_replicas} replicas have it")

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
            name, pool = node.name, node.redis_connection.connection_pool
        else:
            name, pool = "", self.client.connection_pool
        # Not the pool itself: in a Cluster it would outlive its node's place in the layout.
        return name, partial(pool.connection_class, **pool.connection_kwargs)

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
        if self._client is not None:
            self._client.close()
            if not self.cluster:  # redis-py leaves a pool open that it was given
                self._client.connection_pool.disconnect()

    def _run_durably(self, script: Script, keys: Sequence[str], args: Sequence[object]) -> Any:
        try:
            pool = self._pool(keys[0])
            for command in (("EVALSHA", script.sha), ("EVAL", script.text)):
                reply, replicas = _exchange(
                    pool, (*command, len(keys), *keys, *args), self.wait_command
                )
                if not isinstance(reply, NoScriptError):
                    break
            if isinstance(reply, Exception):
                raise reply
            self.check_waited(replicas)
            return reply
        except (MovedError, RedisConnectionError, RedisTimeoutError):
            if self.cluster:  # redis-py does this for its own commands
                self.client.nodes_manager.initialize()
            raise

    def _pool(self, key: str) -> Any:
        if not self.cluster:
            return self.client.connection_pool
        return self.client.get_redis_connection(self.client.get_node_from_key(key)).connection_pool


def _exchange(pool: Any, *commands: tuple[object, ...] | None) -> list[Any]:
    """Send commands in one write on one connection; their replies, errors among them."""
    connection = pool.get_connection()
    replies: list[Any] = []
    try:
        connection.send_packed_command([b"".join(connection.pack_commands(commands))])
        while len(replies) < len(commands):
            try:
                replies.append(connection.read_response())
            except ResponseError as error:
                replies.append(error)
        return replies
    finally:
        if len(replies) < len(commands):  # nobody may read what is left on it
            connection.disconnect()
        pool.release(connection)


def _evaluate(client: Any, script: Script, keys: Sequence[str], args: Sequence[object]) -> Any:
    try:
        return client.evalsha(script.sha, len(keys), *keys, *args)
    except NoScriptError:  # a restart, a failover or SCRIPT FLUSH: sending the text loads it again
        return client.eval(script.text, len(keys), *keys, *args)


def _in_words(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
