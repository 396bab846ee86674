"""One connection of the process's subscription: kept up, read, pinged.

redis-py connects, authenticates and finds the node; from there on the socket is read here, with
hiredis alone. redis-py's own PubSub re-subscribes silently after a drop and took half the time of a
delivery; here a lost connection is an event that is told, and a half-open one is found by a PING
with a deadline.
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
from redis.exceptions import ResponseError

from hub.backoff import Backoff
from hub.errors import RedisRefused, RedisUnavailable
from hub.fanout.loops import Loop, Loops
from hub.fanout.pace import Pace
from hub.store.peek import peek
from hub.store.redis_link import RedisLink

log = logging.getLogger("hub.feed")

PING_SECONDS = 2.0
PONG_SECONDS = 3.0
_READ_BYTES = 1 << 18


class Owner(Protocol):
    """What a connection tells of its news (`feed.Feed`, which imports this module)."""

    reconnects: int
    link: RedisLink

    def dispatch(self, message: Any, connection: FeedConnection) -> None: ...

    def all_dispatched(self, loop: Loop) -> None:
        """All that had arrived is dispatched."""
        ...

    def lost(self, connection: FeedConnection) -> None: ...

    def left(self, connection: FeedConnection) -> bool:
        """Whether a connection without pubsub_channels that could not be made may be given up."""
        ...


class FeedConnection:
    def __init__(self, feed: Owner, make: Callable[[], Any], verb: bytes, loops: Loops) -> None:
        self._feed = feed
        self._make = make
        self._verb = verb
        self._pubsub_channels: set[bytes] = set()
        self._socket: Any = None
        self._writing = RLock()
        self._pings: list[tuple[float, AsyncResult]] = []
        self._next_ping: AsyncResult | None = None
        self._stopped = False
        self._demotions = feed.link.demotions
        self._refused: RedisRefused | None = None
        self._connected_before = False
        self._heard_at = 0.0
        self._loop = loops.start("feed", self._run)

    def add(self, pubsub_channel: bytes) -> None:
        self._pubsub_channels.add(pubsub_channel)
        self._send(self._command(self._verb, pubsub_channel))

    def drop(self, pubsub_channel: bytes) -> None:
        self._pubsub_channels.discard(pubsub_channel)
        self._send(self._command(self._verb.replace(b"SUB", b"UNSUB"), pubsub_channel))

    def forget(self, pubsub_channel: bytes) -> None:
        """The node has let go of it already."""
        self._pubsub_channels.discard(pubsub_channel)

    def barrier(self, timeout_seconds: float) -> None:
        """Return when Redis has answered a PING that is sent from now on.
        Raises `RedisFailure`."""
        if self._next_ping is None:
            self._next_ping = AsyncResult()
        mine = self._next_ping
        if not self._pings:
            self._ping()
        while True:
            try:
                mine.get(timeout=timeout_seconds)
                return
            except gevent.Timeout:
                if mine.ready():
                    return
                if self._answers_within(timeout_seconds):
                    continue  # it is this process that does not get to what Redis says
                unavailable = RedisUnavailable("the subscription does not answer")
                raise self._refused or unavailable from None

    def _answers_within(self, seconds: float) -> bool:
        """Whether Redis was heard in that time, or has said something that was not read yet."""
        if self._socket is None:
            return False
        return time.monotonic() - self._heard_at < seconds or bool(peek(self._socket))

    def stop(self) -> None:
        self._stopped = True
        self._loop.stop()

    def abandon(self) -> None:
        """This is a child's copy: the socket is the parent's, and stays open there."""
        self._stopped = True
        self._loop.stop(block=False)

    def _run(self, loop: Loop) -> None:
        backoff = Backoff(0.02, 1.0)
        while not self._stopped:
            loop.progress()
            connection = None
            try:
                connection = self._make()
                connection.connect()
                if self._connected_before:
                    self._feed.reconnects += 1
                self._connected_before = True
                self._read(connection, self._open(connection), loop)
            except Exception as error:  # whatever it was, the next connection starts afresh
                self._lost(error)
            finally:
                up_seconds = self._close(connection)
            if up_seconds > 1:
                backoff.reset()
            self._feed.lost(self)
            loop.sleep(backoff.take())
            if not self._pubsub_channels and self._feed.left(self):
                return

    def _lost(self, error: Exception) -> None:
        failure = self._feed.link.failed(error, self._verb.decode())
        if isinstance(failure, RedisRefused):
            self._refused = failure
        log.warning("subscription lost: %s", failure.detail)

    def _open(self, connection: Any) -> Any:
        sock = _cooperative(connection)
        sock.settimeout(PING_SECONDS)
        with self._writing:
            self._socket = sock
            self._opened = time.monotonic()
            self._demotions = self._feed.link.demotions
            # Confirmations come behind whatever a pubsub_channel announces from here on.
            sock.sendall(
                b"".join(
                    self._command(self._verb, pubsub_channel)
                    for pubsub_channel in self._pubsub_channels
                )
            )
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

    def _read(self, connection: Any, sock: Any, loop: Loop) -> None:
        # One buffer for ever: a fresh one for each reading tore holes into the heap that nothing
        # else fitted into, and the process grew with every room that came and went.
        reader, buffer, pace = hiredis.Reader(), bytearray(_READ_BYTES), Pace()
        dispatch, feed = self._feed.dispatch, self._feed
        while not self._stopped:
            try:
                loop.rest()
                size = sock.recv_into(buffer)
                loop.progress()
            except TimeoutError:
                self._check_alive()
                continue
            if not size or self._demotions != self._feed.link.demotions:
                raise ConnectionResetError
            self._heard_at = time.monotonic()
            reader.feed(buffer, 0, size)
            if size == _READ_BYTES:  # more is there: a message of megabytes
                pace.step()
            message = reader.gets()
            while message is not False:
                if isinstance(message, hiredis.ReplyError):
                    raise ResponseError(str(message))
                if message == b"PONG" or message[0] == b"pong":
                    self._ponged()
                else:
                    dispatch(message, self)
                message = reader.gets()
            feed.all_dispatched(loop)

    def _check_alive(self) -> None:
        """Nothing came for a while: is that silence or death?"""
        if self._demotions != self._feed.link.demotions:
            raise ConnectionResetError
        if not self._pings:
            self._next_ping = self._next_ping or AsyncResult()
            self._ping()
        elif time.monotonic() - self._pings[0][0] > PONG_SECONDS and not peek(self._socket):
            raise TimeoutError

    def _ping(self) -> None:
        if self._socket is not None and self._next_ping is not None:
            self._pings.append((time.monotonic(), self._next_ping))
            self._next_ping = None
            self._send(self._command(b"PING"))

    def _ponged(self) -> None:
        self._refused = None
        if self._pings:
            self._pings.pop(0)[1].set()
        if self._next_ping is not None and not self._pings:
            self._ping()

    def _send(self, command: bytes) -> None:
        """Send if there is a connection; where it breaks, the reader notices and starts again."""
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
