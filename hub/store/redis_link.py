"""Redis as Hubbub sees it: a client for commands and bare connections for subscriptions.

redis-py connects, authenticates, finds the primary and routes (`redis_client`). What may be
repeated is repeated by `run`, because the scripts know a batch that they have seen. Errors of the
library become `RedisUnavailable` or `RedisRefused` here (`redis_failure` draws the line).

A server that answers READONLY is not the primary, whatever its address says: after a failover by
DNS or a proxy the connections to it are open and well. They are dropped, the idle ones too, and
`demotions` tells the owners of subscriptions to drop theirs.

With `wait_replicas` a `durable` run counts as done only when that many replicas have it: a `WAIT`
follows on the same connection, because it waits for what that connection has written.

The client belongs to one process: a child of a fork makes its own (`hub.process`).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha1
from importlib import resources
from typing import Any, TypeVar

from redis.cluster import ClusterNode
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import (
    MovedError,
    NoScriptError,
    RedisClusterException,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from hub.backoff import Backoff
from hub.errors import RedisFailure, RedisUnavailable
from hub.json_text import go_on
from hub.process import PerProcess
from hub.settings import Settings
from hub.store import redis_client, resp
from hub.store.keys import Keys
from hub.store.redis_failure import DEMOTED, LASTING, TooFewReplicas, code_of, failure_of

log = logging.getLogger("hub.redis")

Step = Callable[[], None]
"""What is called between the steps of what is large: it may let others run."""
TRY_SECONDS = 4.0
"""How long a call goes on trying: a restart or a failover within it is not noticed."""
QUEUE_SECONDS = 30.0
"""How long a call waits for a connection while those that have one are answered."""
ANSWERING_SECONDS = 10.0
"""So long after its last answer Redis counts as one that answers: a busy process looks seldom."""
WAIT_MS = 1000
_DEMOTION_TOLD_SECONDS = 10.0
"""A failover is one line, however many connections and seconds it takes."""

CLIENT_ERRORS = (RedisError, RedisClusterException, OSError)
"""What a command may raise; `failed` says which of our errors it stands for."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Script:
    """A Lua script with the preludes that it shares with others. `name` is for the log."""

    text: str
    sha: str
    name: str

    @classmethod
    def load(cls, package: str, *names: str) -> Script:
        """The last of `names` in the folder `lua` of `package`, behind the others."""
        files = [resources.files("hub.store").joinpath("lua", "allowed.lua")]
        files += [resources.files(package).joinpath("lua", f"{name}.lua") for name in names]
        text = "\n".join(file.read_text() for file in files)
        return cls(text, sha1(text.encode()).hexdigest(), names[-1])


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
        return self.call(
            lambda client: _evaluate(client, script, keys, args),
            try_seconds=try_seconds,
            doing=script.name,
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
        """Ask a Cluster anew which node holds which slot."""
        if self.cluster:
            self.call(lambda client: client.nodes_manager.initialize())

    def close(self) -> None:
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


def exchange(pool: Any, commands: Sequence[tuple[object, ...]], step: Step = go_on) -> list[Any]:
    """Send commands together on one connection; their replies, errors among them. With a `step`
    they leave in pieces, between which it is called."""
    connection = pool.get_connection()
    replies: list[Any] = []
    try:
        packed: Iterable[bytes]
        if step is go_on:
            packed = [b"".join(connection.pack_commands(commands))]  # in one write
        else:
            packed = _stepping(resp.pieces(commands), step)
        connection.send_packed_command(packed)
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


def _stepping(pieces: Iterable[bytes], step: Step) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        step()


def _evaluate(client: Any, script: Script, keys: Sequence[str], args: Sequence[object]) -> Any:
    try:
        return client.evalsha(script.sha, len(keys), *keys, *args)
    except NoScriptError:  # a restart, a failover or SCRIPT FLUSH: sending the text loads it again
        return client.eval(script.text, len(keys), *keys, *args)
