"""Subscriptions and publishes, served from the accepted socket.

gunicorn takes 188 µs to read a request and to write its answer, Flask half as much again, and each
connection has a greenlet that is switched to and from. Here a connection is read by the loop
itself. A plain request (`plain`) is answered through the same entrance as every other: hosts,
origins, tokens, limits and errors are decided there, once. The connection is kept for the next one.

    publish     checked at once, and stored with others' in one round trip (`sender`). Where its
                body is not there yet, or something must be asked for first, a greenlet waits for it
    subscribe   a greenlet, until the listener has taken the socket over
    the rest    gunicorn's, with the bytes that were read put back: another method or path, a head
                in pieces, a long body, whatever is odd. gunicorn keeps the connection

What the loop does by itself must not wait for anything: nobody else would get a turn.
"""

from __future__ import annotations

import _socket
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from http import HTTPStatus
from typing import Any

import gevent
from gevent.socket import wait_read

from hub.errors import HubError, RedisUnavailable
from hub.event import compact_json
from hub.fanout.sender import Sender
from hub.store.history import Producer, is_of_a_copy
from hub.store.pipe import Call
from hub.store.redis_link import TRY_SECONDS
from hub.trace import Trace, current
from hub.web.body import WHOLE_BODY
from hub.web.caller import Caller
from hub.web.entrance import Entrance, events_of
from hub.web.headers import EVERY_ANSWER
from hub.web.plain import Plain, plain_request
from hub.web.problems import INTERNAL, PROBLEM_TYPE, field_of, problem_headers, problem_members
from hub.web.publishing import Publish, Publishing
from hub.web.request_head import RequestHead
from hub.web.stream_response import http_date, take_over
from hub.web.tracing import shown
from hub.web.transport import SocketTransport
from hub.web.visit import Rest
from hub.web.waiting import WAITING, WaitingConnection

log = logging.getLogger("hub.door")

_READ, _WRITE = 1, 2
_READ_BYTES = 16 * 1024
_AT_ONCE_BYTES = 16 * 1024
"""A longer body is read and checked in steps, by a greenlet."""
_TOGETHER_BYTES = 64 * 1024
"""What is longer has a round trip of its own: the others would wait for it."""
_REST_SECONDS = 1.0
_REST_BYTES = 4 * 2**20
_LINES = "application/x-ndjson"

_JSON = {"Content-Type": "application/json"}
_EVERY_ANSWER = tuple(EVERY_ANSWER.items())

HandOver = Callable[[Any, Rest], None]


class Door:
    """In front of gunicorn's handling of connections, for one application and process.

    `counted` counts a request, and says whether its connection may be kept.
    """

    def __init__(self, entrance: Entrance, publishing: Publishing) -> None:
        self.entrance = entrance
        self.publishing = publishing
        delivery = entrance.delivery
        self.sender = Sender(delivery.history, delivery.loops)
        self.counted: Callable[[], bool] = _keep
        self._connections: set[_Connection] = set()

    def leads_to(self, application: object) -> bool:
        """Whether `application` is what stands behind this door."""
        return application is self.entrance

    def comes(
        self,
        sock: _socket.socket,
        peer: str,
        port: str,
        waiting: WaitingConnection,
        hand_over: HandOver,
    ) -> None:
        """A connection was accepted at the local `port`. `sock` does not block; `hand_over` is
        given it where it is gunicorn's, with what was read."""
        self._connections.add(_Connection(self, sock, peer, port, waiting, hand_over))

    def gone(self, connection: _Connection) -> None:
        self._connections.discard(connection)

    def close_idle(self) -> None:
        """End the connections on which no request is under way."""
        for connection in list(self._connections):
            if not connection.busy:
                connection.close()

    @property
    def busy(self) -> bool:
        return any(connection.busy for connection in self._connections)


def _keep() -> bool:
    return True


class _Connection:
    """`busy`: a request is under way; what comes meanwhile stays with the kernel."""

    __slots__ = (
        "_data", "_door", "_half_read", "_hand_over", "_paused", "_sock", "_unsent", "_waiting",
        "_watcher", "_writer", "busy", "keep", "peer", "port",
    )  # fmt: skip

    def __init__(
        self,
        door: Door,
        sock: _socket.socket,
        peer: str,
        port: str,
        waiting: WaitingConnection,
        hand_over: HandOver,
    ) -> None:
        self._door = door
        self._sock = sock
        self.peer = peer
        self.port = port
        self._waiting = waiting
        self._hand_over = hand_over
        self._data = self._unsent = b""
        self.busy = self._paused = self._half_read = False
        self.keep = True
        self._writer: Any = None
        waiting.waits()
        # Kept from one request to the next: to begin it anew would be a call of the kernel's each.
        self._watcher: Any = gevent.get_hub().loop.io(sock.fileno(), _READ)
        self._watcher.start(self._readable)

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def _readable(self) -> None:
        if self.busy:
            self._watcher.stop()
            self._paused = True
            return
        try:
            data = self._sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._take(data)

    def _take(self, data: bytes) -> None:
        plain = plain_request(data)
        if plain is None:
            self._leave(Rest(data))
            return
        door = self._door
        head = door.entrance.head(plain.method, plain.path, plain.query, plain.headers, self.peer)
        channel = events_of(head.path)
        self.busy = True
        if plain.method == "POST" and channel is not None:
            self._waiting.came()
            self.keep = door.counted() and plain.keep
            self._publish(head, channel, plain, data)
        elif plain.method == "GET" and (channel is not None or head.path == "/events"):
            self._waiting.came()
            gevent.spawn(self._subscribe, head, data)
        else:
            self._leave(Rest(data))

    # ── publishing ───────────────────────────────────────────────────────────────────────────

    def _publish(self, head: RequestHead, channel: str, plain: Plain, data: bytes) -> None:
        end = plain.head_bytes + plain.body_bytes
        sent = _Sent(self._sock, self._waiting, data[plain.head_bytes : end], plain.body_bytes)
        self._data = data[end:]
        try:
            caller = self._door.entrance.admit_at_once(head, self.port)
            if (
                caller is None
                or not sent.whole
                or plain.body_bytes > _AT_ONCE_BYTES
                or head.media_type == _LINES
                or not self.publishing.may_at_once(channel, caller)
            ):
                gevent.spawn(self._publish_in_time, head, channel, caller, sent)
                return
            publish = self.publishing.read(channel, head, caller, sent)
        except Exception as error:
            self.failed(head, error, whole=sent.whole)
            return
        self._door.sender.ready(_Publishing(self, head, publish))

    def _publish_in_time(
        self, head: RequestHead, channel: str, caller: Caller | None, sent: _Sent
    ) -> None:
        """Where something must be waited for. Who asks is found out first."""
        try:
            caller = caller or self._door.entrance.admit(head, self.port)
            if sent.content_length > _TOGETHER_BYTES:
                self.answer(head, *self.publishing.publish(channel, head, caller, sent))
                return
            publish = self.publishing.read(channel, head, caller, sent)
            self.publishing.count(publish, caller)
        except Exception as error:
            self.failed(head, error, whole=sent.whole)
            return
        self._door.sender.ready(_Publishing(self, head, publish))

    @property
    def publishing(self) -> Publishing:
        return self._door.publishing

    def why_not(self) -> RedisUnavailable:
        """Why nothing was stored in time."""
        return self._door.sender.away or RedisUnavailable("Redis does not answer in time")

    # ── answering ────────────────────────────────────────────────────────────────────────────

    def failed(self, head: RequestHead, error: Exception, *, whole: bool = True) -> None:
        """Answer with a problem. Not `whole`: nobody knows where the next request begins."""
        if not whole:
            self.keep, self._half_read = False, True
        if isinstance(error, HubError):
            status, why = error.status, (error.code, error.title, error.detail, field_of(error))
            headers = problem_headers(error)
        else:
            log.exception("unexpected error at POST %s", head.path, exc_info=error)
            status, why, headers = 500, (*INTERNAL, None), {}
        headers = {"Content-Type": PROBLEM_TYPE, **headers}
        self.answer(head, status, problem_members(status, *why), headers)

    def answer(
        self,
        head: RequestHead,
        status: int,
        members: Mapping[str, Any],
        headers: Mapping[str, str] = _JSON,
    ) -> None:
        body = compact_json(members).encode()
        named = shown(Trace.of(head.headers), head)
        lines = [*headers.items(), *self._door.entrance.headers(head), *_EVERY_ANSWER, *named]
        self._send(_answer(status, lines, body, keep=self.keep))

    def _send(self, data: bytes) -> None:
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        if sent < len(data):
            self._unsent = data[sent:]
            self._writer = self._writer or gevent.get_hub().loop.io(self._sock.fileno(), _WRITE)
            self._writer.start(self._writable)
            return
        self._next()

    def _writable(self) -> None:
        self._writer.stop()
        self._send(self._unsent)

    def _next(self) -> None:
        """The answer is on its way: on to the next request."""
        if not self.keep:
            sock = self._let_go()
            if self._half_read:
                gevent.spawn(_let_the_answer_be_read, sock)
            else:
                sock.close()
            return
        if self._data:
            # Not from here: of a thousand that came together each would be served within the last.
            # It stays busy, or what is read meanwhile would go ahead of them.
            gevent.get_hub().loop.run_callback(self._take_next)
            return
        self.busy = False
        self._waiting.waits()
        if self._paused:
            self._paused = False
            self._watcher.start(self._readable)

    def _take_next(self) -> None:
        if self._watcher is not None:
            data, self._data = self._data, b""
            self._take(data)

    # ── leaving ──────────────────────────────────────────────────────────────────────────────

    def _subscribe(self, head: RequestHead, data: bytes) -> None:
        entrance = self._door.entrance
        trace = Trace.of(head.headers)
        current.set(trace)
        try:
            answer = entrance.stream(head, entrance.admit(head, self.port))
        except HubError as error:  # a page, perhaps, or a problem: Flask knows its form
            self._leave(Rest(data, error))
            return
        except Exception as error:
            self.keep = False
            self.failed(head, error)
            return
        assert answer is not None
        self._door.counted()
        self.keep = False
        headers = [*answer.headers, *entrance.headers(head), *shown(trace, head)]
        if answer.stream is None:
            self._send(_answer(answer.status, headers, answer.body, keep=False))
            return
        transport = SocketTransport(self._let_go())
        take_over(transport, entrance.delivery, answer.stream, headers)

    def _leave(self, rest: Rest) -> None:
        self._hand_over(self._let_go(), rest)

    def _let_go(self) -> _socket.socket:
        """The socket, of which this connection knows nothing any more."""
        for watcher in (self._watcher, self._writer):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._watcher = self._writer = None
        self._waiting.came()
        self._door.gone(self)
        return self._sock

    def close(self) -> None:
        if self._watcher is not None:
            self._let_go().close()


class _Publishing:
    """A publish on its way to Redis: `sender.Ready`."""

    def __init__(self, connection: _Connection, head: RequestHead, publish: Publish) -> None:
        self.channel = publish.channel
        self._connection = connection
        self._head = head
        self._publish = publish
        self._history = connection.publishing.delivery.history
        self._by: Producer | None = None
        self._give_up = time.monotonic() + TRY_SECONDS

    def call(self) -> Call | None:
        if time.monotonic() > self._give_up:
            # It may have been stored, and nobody knows; its name is not used again.
            self._connection.failed(self._head, self._connection.why_not())
            return None
        if self._by is None:
            self._by = self._history.take_producer()
        return self._history.append_call(
            self.channel, self._publish.events, producer=self._by, key=self._publish.key
        )

    def settle(self, reply: Any) -> bool:
        assert self._by is not None
        if is_of_a_copy(reply):
            self._by = None  # its name is not taken again
            return True
        self._history.give_back(self._by)
        stored = self._history.appended(self.channel, reply)
        self._connection.answer(
            self._head, *self._connection.publishing.answer(self._publish, stored)
        )
        return False

    def broken(self, error: Exception) -> bool:
        self._connection.failed(self._head, error)
        return False


class _Sent:
    """A request's body as `body.Sent`, of which what is `there` came with the head."""

    def __init__(
        self, sock: _socket.socket, waiting: WaitingConnection, there: bytes, length: int
    ) -> None:
        self.content_length = length
        self.environ: dict[str, Any] = {WAITING: waiting}
        self._sock = sock
        self._there = there
        self._left = length - len(there)
        if not self._left:
            self.environ[WHOLE_BODY] = there

    @property
    def whole(self) -> bool:
        """Whether all of it is there, so that the next request is behind it."""
        return not self._left

    @property
    def stream(self) -> Any:
        return self

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, fewer only at its end."""
        pieces, self._there = [self._there[:size]], self._there[size:]
        size -= len(pieces[0])
        while size and self._left:
            try:
                data = self._sock.recv(min(size, self._left))
            except BlockingIOError:
                wait_read(self._sock.fileno())
                continue
            if not data:
                break
            pieces.append(data)
            size -= len(data)
            self._left -= len(data)
        return b"".join(pieces)


def _let_the_answer_be_read(sock: _socket.socket) -> None:
    """A client that is still sending may read only later, and what it sends to a closed socket
    would take the answer away from it."""
    rest = 0
    with gevent.Timeout(_REST_SECONDS, False), closing(sock):
        try:
            sock.shutdown(_socket.SHUT_WR)
            while rest < _REST_BYTES:
                wait_read(sock.fileno())
                data = sock.recv(_READ_BYTES)
                if not data:
                    break
                rest += len(data)
        except OSError:
            pass  # it has left


def _answer(status: int, headers: list[tuple[str, str]], body: bytes, *, keep: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {status} {_PHRASES[status]}\r\nDate: {http_date()}\r\n"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n"
    ]
    if status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Length: {len(body)}\r\n")
    lines += [f"{name}: {value}\r\n" for name, value in headers]
    lines.append("\r\n")
    return "".join(lines).encode("latin-1") + body


_PHRASES = {status.value: status.phrase for status in HTTPStatus}
