"""Redis as Hubbub sees it: a client for commands and bare connections for subscriptions.

redis-py connects, authenticates, finds the primary and routes (`redis_client`). What may be
repeated is repeated by `run`, because the scripts know a batch that they have seen. Errors of the
library become `RedisUnavailable` or `RedisRefused` here (`redis_failure` draws the line).

A server that answers READONLY is not the primary, whatever its address says: after a failover by
DNS or a proxy the connections to it are open and well. They are dropped, the idle ones too, and
`demotions` tells the owners of subscriptions to drop theirs.

With `wait_replicas` a `durable` run counts as done only when that many replicas have it: a `WAIT`
follows on the same connection, because it waits for what that connection has written.

A single script goes past redis-py's client, on a bare connection, where nothing stands against it
(`_BareConnections`); whatever is not answered plainly there is asked once more by the client, which
knows what to do about it.

The client belongs to one process: a child of a fork makes its own (`hub.process`).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import hiredis
from redis.cluster import ClusterNode
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import (
    MovedError,
    NoScriptError,
    RedisClusterException,
    RedisError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from hub.backoff import Backoff
from hub.errors import RedisFailure, RedisUnavailable
from hub.json_text import go_on
from hub.process import PerProcess
from hub.settings import Settings
from hub.store import redis_client, resp
from hub.store.bare import BareConnection
from hub.store.exchange import Step, exchange
from hub.store.keys import Keys
from hub.store.redis_failure import DEMOTED, LASTING, TooFewReplicas, code_of, failure_of
from hub.store.script import Script, ScriptCall

log = logging.getLogger("hub.redis")

TRY_SECONDS = 4.0
"""How long a call goes on trying: a restart or a failover within it is not noticed."""
QUEUE_SECONDS = 30.0
"""How long a call waits for a connection while those that have one are answered."""
ANSWERING_SECONDS = 10.0
"""So long after its last answer Redis counts as one that answers: a busy process looks seldom."""
WAIT_MS = 1000
_BARE_CONNECTIONS = 16
"""Beside those of redis-py's pool, which serves those who find none of them free."""
_DEMOTION_TOLD_SECONDS = 10.0
"""A failover is one line, however many connections and seconds it takes."""

CLIENT_ERRORS = (RedisError, RedisClusterException, OSError)
"""What a command may raise; `failed` says which of our errors it stands for."""

_T = TypeVar("_T")


class RedisLink:
    """Everything that Hubbub asks of a Redis. Holds no connection until the first call."""

    def __init__(
        self,
        client: Any = None,
        *,
        make: Callable[[], Any] | None = None,
        cluster: bool = False,
        wait_replicas: int = 0,
        keys: Keys | None = None,
    ) -> None:
        """`make` makes the client at the first call: a Cluster's asks for its layout at once. A
        `client` that is given instead is the caller's, in every process."""
        self._clients: PerProcess[Any] = PerProcess(make or (lambda: client))
        self.keys = keys or Keys()
        self.demotions = 0
        """How often a server turned out to be no primary any more."""
        self._demotion_told = -math.inf
        # A Cluster's node is found by redis-py, and a client that was given may be no Redis at all.
        bare = make is not None and not cluster
        self._bare = PerProcess(partial(_BareConnections, self)) if bare else None
        self._answered_at = -math.inf
        self.cluster = cluster
        self.wait_replicas = wait_replicas
        # In a Cluster a PUBLISH goes to every node, an SPUBLISH to the channel's shard alone.
        self.publish_command = "SPUBLISH" if cluster else "PUBLISH"

    @classmethod
    def from_url(cls, url: str, *, wait_replicas: int = 0, prefix: str = "hub") -> RedisLink:
        """`url` is any that `REDIS_URL` takes, `prefix` is `HUB_KEY_PREFIX`."""
        cluster = redis_client.is_cluster(url)
        return cls(
            make=partial(redis_client.make_cluster if cluster else redis_client.make, url),
            cluster=cluster,
            wait_replicas=wait_replicas,
            keys=Keys(prefix, redis_client.database_of(url)),
        )

    @classmethod
    def from_settings(cls, settings: Settings, url: str | None = None) -> RedisLink:
        """The Redis of `settings`; `url` stands in place of `REDIS_URL`."""
        return cls.from_url(
            url or settings.redis_url or "redis://127.0.0.1:6379",
            wait_replicas=settings.wait_replicas,
            prefix=settings.key_prefix,
        )

    @property
    def client(self) -> Any:
        return self._clients.get()

    def run(
        self,
        script: Script,
        keys: Sequence[str],
        args: Sequence[object],
        *,
        try_seconds: float = TRY_SECONDS,
        durable: bool = False,
        step: Step = go_on,
    ) -> Any:
        """Run a script, again and again within `try_seconds`. It must bear being repeated.

        `durable`: it is done when `wait_replicas` replicas have it; until then it is repeated, and
        each time it must write something, or there would be nothing to wait for. Large arguments
        are packed and sent in pieces, between which `step` is called.
        """
        wait = self.wait_command if durable else None
        if wait is not None or resp.is_large(args):
            return self.call(
                lambda _: self._run_bare(script, keys, args, wait, step),
                try_seconds=try_seconds,
                doing=script.name,
            )
        bare = self._bare.get() if self._bare is not None and try_seconds else None

        def evaluate(client: Any) -> Any:
            replies = None if bare is None else bare.evaluate([(script, keys, args)])
            return _evaluate(client, script, keys, args) if replies is None else replies[0]

        return self.call(evaluate, try_seconds=try_seconds, doing=script.name)

    def run_in_turn(self, calls: Sequence[ScriptCall]) -> list[Any] | None:
        """The replies to scripts that are run one after the other, in one round trip; None where
        each must be run by itself, once more: then nobody knows which of them were."""
        bare = self._bare.get() if self._bare is not None and not self.wait_replicas else None
        if bare is None or any(resp.is_large(args) for _, _, args in calls):
            return None
        try:
            return bare.evaluate(calls)
        except CLIENT_ERRORS:
            return None

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

    def call(
        self,
        command: Callable[[Any], _T],
        *,
        try_seconds: float = TRY_SECONDS,
        doing: str = "a command",
    ) -> _T:
        """Carry out `command(client)`, which must bear being repeated; `doing` names it to the log.

        Where all connections are in use and Redis answers on them, one of them is waited for.

        Raises `RedisUnavailable` when it did not succeed in time: it may or may not have happened;
        `RedisRefused` where Redis will never carry it out.
        """
        began = time.monotonic()
        give_up = began + try_seconds
        backoff = Backoff(0.02, 0.5)
        while True:
            try:
                answer = command(self.client)
                self._answered_at = time.monotonic()
                return answer
            except CLIENT_ERRORS as error:
                if self._must_queue(error) and time.monotonic() < began + QUEUE_SECONDS:
                    give_up = time.monotonic() + try_seconds
                failure = self.failed(error, doing)
                soon = isinstance(failure, RedisUnavailable) and code_of(error) not in LASTING
                if not soon or time.monotonic() + backoff.seconds > give_up:
                    raise failure from error
                time.sleep(backoff.take())

    def _must_queue(self, error: Exception) -> bool:
        """Whether so many ask a Redis that answers that one must wait for a connection."""
        answers = time.monotonic() - self._answered_at < ANSWERING_SECONDS
        return answers and redis_client.is_none_free(error)

    def failed(self, error: Exception, doing: str = "a command") -> RedisFailure:
        """The failure that an exception of the client stands for. Every place that talks to Redis
        reports here, because an error may also say something about the server."""
        if code_of(error) in DEMOTED:
            self.drop_connections()
        return failure_of(error, doing)

    def drop_connections(self) -> None:
        """The server at the other end is no primary any more: nothing is asked of it again."""
        self.demotions += 1
        if time.monotonic() > self._demotion_told + _DEMOTION_TOLD_SECONDS:
            log.warning("the server that answers is a replica: its connections are dropped")
        self._demotion_told = time.monotonic()
        client = self._clients.here()
        if client is None:
            return
        clients = [client]
        if self.cluster:
            clients = [node.redis_connection for node in client.get_nodes()]
        for one in clients:
            if one is not None:
                one.connection_pool.disconnect(inuse_connections=False)

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
        except CLIENT_ERRORS as error:
            raise self.failed(error, "CLUSTER SLOTS") from error

    def refresh_topology(self) -> None:
        """Ask a Cluster again which node holds which slot."""
        if self.cluster:
            self.call(lambda client: client.nodes_manager.initialize())

    def close(self) -> None:
        bare = self._bare and self._bare.here()
        if bare:
            bare.close()
        client = self._clients.here()
        if client is not None:
            client.close()
            if not self.cluster:  # redis-py leaves a pool open that it was given
                client.connection_pool.disconnect()

    def _run_bare(
        self,
        script: Script,
        keys: Sequence[str],
        args: Sequence[object],
        wait: tuple[object, ...] | None,
        step: Step,
    ) -> Any:
        """On one connection, past redis-py's own sending: with a `WAIT` behind it, or in pieces."""
        behind = [] if wait is None else [wait]
        try:
            pool = self._pool(keys[0])
            for command in (("EVALSHA", script.sha), ("EVAL", script.text)):
                reply, *waited = exchange(
                    pool, [(*command, len(keys), *keys, *args), *behind], step
                )
                if not isinstance(reply, NoScriptError):
                    break
            if isinstance(reply, Exception):
                raise reply
            for replicas in waited:
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


class _BareConnections:
    """Those that are idle, the last one used first; made as they are needed, up to a bound."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._demotions = link.demotions
        self._idle: list[BareConnection] = []
        self._left = _BARE_CONNECTIONS

    def evaluate(self, calls: Sequence[ScriptCall]) -> list[Any] | None:
        """The replies to scripts that are run one after the other; None where redis-py's client is
        to be asked. Raises what a connection raises that could not be made, or on which no answer
        comes in time."""
        connection = self._take()
        if connection is None:
            return None
        used_before, demotions = connection.connected, self._link.demotions
        try:
            packed = [
                hiredis.pack_command(script.command(keys, args)) for script, keys, args in calls
            ]
            replies = connection.exchange(b"".join(packed), len(packed))
        except TimeoutError:
            raise
        except CLIENT_ERRORS:
            if not used_before:
                raise
            return None  # Redis, or somebody on the way to it, had closed it long ago
        finally:
            if demotions != self._link.demotions:
                connection.close()
            self._idle.append(connection)
        return None if any(isinstance(reply, Exception) for reply in replies) else replies

    def close(self) -> None:
        for connection in self._idle:
            connection.close()

    def _take(self) -> BareConnection | None:
        if self._demotions != self._link.demotions:  # it may be their server that is no primary
            self._demotions = self._link.demotions
            self.close()
        try:
            return self._idle.pop()
        except IndexError:
            pass
        if not self._left:
            return None
        self._left -= 1
        return BareConnection(self._link.subscription("")[1])


def _evaluate(client: Any, script: Script, keys: Sequence[str], args: Sequence[object]) -> Any:
    try:
        return client.evalsha(script.sha, len(keys), *keys, *args)
    except NoScriptError:  # a restart, a failover or SCRIPT FLUSH: sending the text loads it again
        return client.eval(script.text, len(keys), *keys, *args)
