"""The process's one subscription: announcements in, and the certainty that none is missing.

redis-py connects, authenticates and finds the node; from there on the socket is read here, with
hiredis alone. redis-py's own PubSub re-subscribes silently after a drop and took half the time of a
delivery; here a lost connection is an event that every room hears of (`confirmed` again), and a
half-open one is found by a PING with a deadline.

`barrier` answers the question "have I heard everything that was published until now?": Redis
answers a PING on the subscription behind all announcements that came before it. Those who ask while
a PING is under way share the next one, so a storm of arrivals costs a few.

In a Cluster there is one connection for each primary that holds a channel of ours (`SSUBSCRIBE`).
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable
from typing import Any, Protocol

import gevent
import gevent.socket
import hiredis
from gevent.event import AsyncResult
from gevent.lock import RLock

from hub.errors import RedisUnavailable
from hub.redis_link import RedisLink

log = logging.getLogger("hub.feed")

PING_SECONDS = 2.0
PONG_SECONDS = 3.0
_READ_BYTES = 1 << 18
_LOOK_AGAIN_SECONDS = 0.02


class Subscriber(Protocol):
    """Who hears one pub/sub channel."""

    def announced(self, payload: bytes) -> None: ...

    def confirmed(self) -> None:
        """Redis has confirmed the subscription: the first time, or again after it was lost."""
        ...


class Feed:
    """All subscriptions of this process."""

    def __init__(self, link: RedisLink, turn_over: Callable[[], None]) -> None:
        self._link = link
        self._turn_over = turn_over
        self._subscribers: dict[bytes, Subscriber] = {}
        self._connections: dict[str, _Connection] = {}
        self._home: dict[bytes, _Connection] = {}
        self._adrift: list[bytes] = []
        self._layout_is_old = False
        self._settling: gevent.Greenlet | None = None
        self.reconnects = 0

    def subscribe(self, topic: str, subscriber: Subscriber) -> None:
        """Start hearing; `subscriber.confirmed` tells when nothing can be missed any more."""
        name = topic.encode()
        self._subscribers[name] = subscriber
        if self._link.cluster:  # whose layout may have to be asked for, which takes its time
            self._set_adrift([name])
        else:
            self._settle(name)

    def unsubscribe(self, topic: str) -> None:
        name = topic.encode()
        del self._subscribers[name]
        home = self._home.pop(name, None)
        if home is not None:
            home.drop(name)

    def barrier(self, topic: str, timeout_seconds: float) -> None:
        """Return when every announcement published on `topic` before now has been dispatched.
        Raises `RedisUnavailable` when that cannot be had in time."""
        give_up = time.monotonic() + timeout_seconds
        while (home := self._home.get(topic.encode())) is None:
            if time.monotonic() > give_up:
                raise RedisUnavailable("no node of the Cluster takes the subscription")
            gevent.sleep(_LOOK_AGAIN_SECONDS)
        home.barrier(max(0.01, give_up - time.monotonic()))

    def stop(self) -> None:
        if self._settling is not None:
            self._settling.kill()
        for connection in self._connections.values():
            connection.stop()

    def dispatch(self, message: Any, connection: _Connection) -> None:
        kind = message[0]
        if kind == b"message" or kind == b"smessage":
            subscriber = self._subscribers.get(message[1])
            if subscriber is not None:
                subscriber.announced(message[2])
        elif kind == b"subscribe" or kind == b"ssubscribe":
            subscriber = self._subscribers.get(message[1])
            if subscriber is not None and self._home.get(message[1]) is connection:
                subscriber.confirmed()
        elif kind == b"sunsubscribe" and self._home.get(message[1]) is connection:
            # Not asked for: the slot has moved to another primary.
            self._resettle_from(connection, [message[1]])

    def turn_over(self) -> None:
        self._turn_over()

    def lost(self, connection: _Connection) -> None:
        """A connection broke: in a Cluster its channels may live elsewhere by now."""
        if self._link.cluster:
            topics = [topic for topic, home in self._home.items() if home is connection]
            self._resettle_from(connection, topics)

    def left(self, connection: _Connection) -> bool:
        """Whether a connection that could not be had may be given up: in a Cluster its node may
        never come back, and its channels live elsewhere by now."""
        if self._link.cluster:
            self._connections = {n: c for n, c in self._connections.items() if c is not connection}
        return self._link.cluster

    def _resettle_from(self, connection: _Connection, topics: list[bytes]) -> None:
        for topic in topics:
            del self._home[topic]
            connection.forget(topic)
        self._layout_is_old = True
        self._set_adrift(topics)

    def _set_adrift(self, topics: list[bytes]) -> None:
        """Find a home for them, in one go with all that lose theirs at the same time: when slots
        move, thousands do."""
        self._adrift += topics
        if self._adrift and not self._settling:
            self._settling = gevent.spawn(self._settle_adrift)

    def _settle_adrift(self) -> None:
        pause = 0.05
        while self._adrift:
            topic = self._adrift.pop()
            try:
                if self._layout_is_old:
                    self._layout_is_old = False
                    self._link.refresh_topology()
                if topic in self._subscribers and topic not in self._home:
                    self._settle(topic)
            except RedisUnavailable:
                self._adrift.append(topic)
                self._layout_is_old = True
                gevent.sleep(pause)
                pause = min(pause * 2, 1.0)
        self._settling = None

    def _settle(self, topic: bytes) -> None:
        node, make = self._link.subscription(topic.decode())
        connection = self._connections.get(node)
        if connection is None:
            connection = self._connections[node] = _Connection(
                self, make, b"SSUBSCRIBE" if self._link.cluster else b"SUBSCRIBE"
            )
        self._home[topic] = connection
        connection.add(topic)


class _Connection:
    """One subscription connection: kept up, read, pinged."""

    def __init__(self, feed: Feed, make: Callable[[], Any], verb: bytes) -> None:
        self._feed = feed
        self._make = make
        self._verb = verb
        self._topics: set[bytes] = set()
        self._socket: Any = None
        self._writing = RLock()
        self._pings: list[tuple[float, AsyncResult]] = []
        self._next_ping: AsyncResult | None = None
        self._stopped = False
        self._greenlet = gevent.spawn(self._run)

    def add(self, topic: bytes) -> None:
        self._topics.add(topic)
        self._send(self._command(self._verb, topic))

    def drop(self, topic: bytes) -> None:
        self._topics.discard(topic)
        self._send(self._command(self._verb.replace(b"SUB", b"UNSUB"), topic))

    def forget(self, topic: bytes) -> None:
        """The node has let go of it already."""
        self._topics.discard(topic)

    def barrier(self, timeout_seconds: float) -> None:
        if self._next_ping is None:
            self._next_ping = AsyncResult()
        mine = self._next_ping
        if not self._pings:
            self._ping()
        try:
            mine.get(timeout=timeout_seconds)
        except gevent.Timeout:
            raise RedisUnavailable("the subscription does not answer") from None

    def stop(self) -> None:
        self._stopped = True
        self._greenlet.kill()

    def _run(self) -> None:
        pause = 0.02
        connected_before = False
        while not self._stopped:
            connection = None
            try:
                connection = self._make()
                connection.connect()
                if connected_before:
                    self._feed.reconnects += 1
                connected_before = True
                self._read(connection, self._open(connection))
            except Exception as error:  # whatever it was, the next connection starts afresh
                log.warning("subscription lost: %s", str(error) or type(error).__name__)
            finally:
                up_seconds = self._close(connection)
            if up_seconds > 1:
                pause = 0.02
            self._feed.lost(self)
            gevent.sleep(pause)
            if not self._topics and self._feed.left(self):
                return
            pause = min(pause * 2, 1.0)

    def _open(self, connection: Any) -> Any:
        sock = _cooperative(connection)
        sock.settimeout(PING_SECONDS)
        with self._writing:
            self._socket = sock
            self._opened = time.monotonic()
            # Confirmations come behind whatever a topic announces from here on.
            sock.sendall(b"".join(self._command(self._verb, topic) for topic in self._topics))
        if self._next_ping is not None:
            self._ping()
        return sock

    def _close(self, connection: Any) -> float:
        up_seconds = time.monotonic() - self._opened if self._socket is not None else 0.0
        self._socket = None
        # Those who wait for a PONG go on waiting: the next connection answers them.
        waiting = [result for _, result in self._pings]
        self._pings.clear()
        if waiting:
            following, self._next_ping = self._next_ping, AsyncResult()
            chained = [*waiting, following] if following else waiting
            self._next_ping.rawlink(lambda done: [each.set() for each in chained])
        if connection is not None:
            connection.disconnect()
        return up_seconds

    def _read(self, connection: Any, sock: Any) -> None:
        # One buffer for ever: a fresh one for each reading tore holes into the heap that nothing
        # else fitted into, and the process grew with every room that came and went.
        reader, buffer = hiredis.Reader(), bytearray(_READ_BYTES)
        dispatch, feed = self._feed.dispatch, self._feed
        while not self._stopped:
            try:
                size = sock.recv_into(buffer)
            except TimeoutError:
                self._check_alive()
                continue
            if not size:
                raise ConnectionError("closed by Redis")
            reader.feed(buffer, 0, size)
            message = reader.gets()
            while message is not False:
                if isinstance(message, hiredis.ReplyError):
                    raise message
                if message == b"PONG" or message[0] == b"pong":
                    self._ponged()
                else:
                    dispatch(message, self)
                message = reader.gets()
            feed.turn_over()

    def _check_alive(self) -> None:
        """Nothing came for a while: is that silence or death?"""
        if not self._pings:
            self._next_ping = self._next_ping or AsyncResult()
            self._ping()
        elif time.monotonic() - self._pings[0][0] > PONG_SECONDS:
            raise ConnectionError("no PONG in time")

    def _ping(self) -> None:
        if self._socket is not None and self._next_ping is not None:
            self._pings.append((time.monotonic(), self._next_ping))
            self._next_ping = None
            self._send(self._command(b"PING"))

    def _ponged(self) -> None:
        if self._pings:
            self._pings.pop(0)[1].set()
        if self._next_ping is not None and not self._pings:
            self._ping()

    def _send(self, command: bytes) -> None:
        """Send if there is a connection; where it breaks, the reader notices and starts anew."""
        with self._writing:
            if self._socket is not None:
                try:
                    self._socket.sendall(command)
                except OSError:
                    pass

    @staticmethod
    def _command(*parts: bytes) -> bytes:
        return b"*%d\r\n" % len(parts) + b"".join(
            b"$%d\r\n%s\r\n" % (len(part), part) for part in parts
        )


def _cooperative(connection: Any) -> Any:
    """The connection's socket, such that reading it lets other greenlets run, also in a process
    that is not monkey-patched (a test client's)."""
    sock = connection._sock
    if isinstance(sock, gevent.socket.socket | ssl.SSLSocket):
        return sock
    own = gevent.socket.socket(sock.family, sock.type, sock.proto, fileno=sock.detach())
    connection._sock = own
    return own
