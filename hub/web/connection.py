"""One connection at the door: requests in, answers out, until it ends or is somebody else's.

It is read by the loop itself. What a method does that the loop calls must not wait for anything:
nobody else would get a turn.
"""

from __future__ import annotations

import _socket
import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import gevent
import msgspec

from hub.errors import HubError, RedisUnavailable
from hub.process import fresh_name
from hub.trace import Trace, current
from hub.web.arriving import ArrivingBody
from hub.web.caller import Caller
from hub.web.known_heads import Asked, KnownHead
from hub.web.plain import answer_bytes, field_lines
from hub.web.posting import Posting
from hub.web.problems import INTERNAL, PROBLEM_TYPE, field_of, problem_headers, problem_members
from hub.web.publishing import NDJSON, Publishing
from hub.web.stream_response import take_over
from hub.web.tracing import REQUEST_ID, shown
from hub.web.transport import SocketTransport
from hub.web.visit import Rest, cooperative, let_the_answer_be_read
from hub.web.waiting import WaitingConnection

if TYPE_CHECKING:
    from hub.web.door import Door

log = logging.getLogger("hub.door")

_READ, _WRITE = 1, 2
_READ_BYTES = 16 * 1024
_AT_ONCE_BYTES = 16 * 1024
"""A longer body is read and checked in steps, by a greenlet."""
_TOGETHER_BYTES = 64 * 1024
"""What is longer has a round trip of its own: the others would wait for it."""
_JSON = b"Content-Type: application/json\r\n"
_REQUEST_ID = REQUEST_ID.encode()

HandOver = Callable[[Any, Rest], None]


class Connection:
    """`door` is whose entrance it leads to, `peer` the other end's address, `port` the local one.
    `busy`: a request is under way; what comes meanwhile stays with the kernel."""

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
        # Kept from one request to the next: starting it again would be a system call each time.
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
        try:
            self._serve(data)
        except Exception:  # nobody else would answer: it must not stay open without a word
            log.exception("a connection of %s could not be served", self.peer)
            self.close()

    def _serve(self, data: bytes) -> None:
        door = self._door
        asked = door.heads.read(data, self.peer, self.port)
        if asked is None:
            self._leave(Rest(data))
            return
        known = asked.known
        head = known.head
        self.busy = True
        if head.method == "POST" and known.channel is not None:
            self._waiting.came()
            self.keep = door.counted() and known.keep
            self._publish(asked, known.channel, data)
        elif head.method == "GET" and (known.channel is not None or head.path == "/events"):
            self._waiting.came()
            door.arrivals.come(known.channel, partial(self._subscribe, known, data))
        else:
            self._leave(Rest(data))

    def _caller(self, known: KnownHead) -> Caller | None:
        """Who asks, where that is known without waiting for anything. Raises `HubError`."""
        entrance = self._door.entrance
        caller = known.caller
        if caller is None or not entrance.callers.still_counts(caller):
            known.caller = known.wish = None
            caller = known.caller = entrance.admit_at_once(known.head, self.port)
        return caller

    # ── publishing ───────────────────────────────────────────────────────────────────────────

    def _publish(self, asked: Asked, channel: str, data: bytes) -> None:
        known, head_bytes, body_bytes = asked
        end = head_bytes + body_bytes
        sent = ArrivingBody(self._sock, self._waiting, data[head_bytes:end], body_bytes)
        self._data = data[end:]
        try:
            caller = self._caller(known)
            wish = known.wish
            if wish is None and caller is not None and self.publishing.may_at_once(channel, caller):
                wish = known.wish = self.publishing.wish(channel, known.head, caller)
            if (
                wish is None
                or not sent.whole
                or body_bytes > _AT_ONCE_BYTES
                or wish.kind == NDJSON
                or not self._door.sends_at_once
            ):
                self._door.errands.run(self._publish_in_time, known, channel, caller, sent)
                return
            self._door.sender.ready(Posting(self, known, self.publishing.read(wish, sent)))
        except Exception as error:
            self.failed(known, error, whole=sent.whole)

    def _publish_in_time(
        self, known: KnownHead, channel: str, caller: Caller | None, sent: ArrivingBody
    ) -> None:
        """Where something must be waited for. Who asks is found out first."""
        head = known.head
        try:
            caller = caller or self._door.entrance.admit(head, self.port)
            if sent.content_length > _TOGETHER_BYTES:
                self.answer(known, *self.publishing.publish(channel, head, caller, sent))
                return
            publish = self.publishing.read(self.publishing.wish(channel, head, caller), sent)
            self.publishing.count(publish, caller)
            self._door.sender.ready(Posting(self, known, publish))
        except Exception as error:
            self.failed(known, error, whole=sent.whole)

    @property
    def publishing(self) -> Publishing:
        return self._door.publishing

    def why_not(self) -> RedisUnavailable:
        """Why nothing was stored in time."""
        return self._door.sender.away or RedisUnavailable("Redis does not answer in time")

    # ── answering ────────────────────────────────────────────────────────────────────────────

    def failed(self, known: KnownHead, error: Exception, *, whole: bool = True) -> None:
        """Answer with a problem. Not `whole`: nobody knows where the next request begins."""
        if not whole:
            self.keep, self._half_read = False, True
        if isinstance(error, HubError):
            status, why = error.status, (error.code, error.title, error.detail, field_of(error))
            headers = problem_headers(error)
        else:
            log.exception("unexpected error at %s", known.head.path, exc_info=error)
            status, why, headers = 500, (*INTERNAL, None), {}
        fields = field_lines([("Content-Type", PROBLEM_TYPE), *headers.items()])
        self.answer(known, status, problem_members(status, *why), fields)

    def answer(
        self, known: KnownHead, status: int, members: Mapping[str, Any], fields: bytes = _JSON
    ) -> None:
        fields = fields + known.fields
        if known.head.method == "POST" or known.request_id:
            request_id = known.request_id or fresh_name()
            fields = b"%s%s: %s\r\n" % (fields, _REQUEST_ID, request_id.encode())
        body = msgspec.json.encode(members)
        self._send(answer_bytes(status, fields, body, keep=self.keep))

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
                gevent.spawn(_end_gently, cooperative(sock))
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

    def _subscribe(self, known: KnownHead, data: bytes, heard: bool) -> None:
        entrance, head = self._door.entrance, known.head
        trace = Trace.of(head.headers)
        current.set(trace)
        try:
            caller = self._caller(known) or entrance.admit(head, self.port)
            answer = entrance.stream(head, caller, heard=heard)
        except HubError as error:  # a page, perhaps, or a problem: Flask knows its form
            self._leave(Rest(data, error))
            return
        except Exception as error:
            self.keep = False
            self.failed(known, error)
            return
        assert answer is not None
        self._door.counted()
        self.keep = False
        headers = [*answer.headers, *entrance.headers(head), *shown(trace, head)]
        if answer.stream is None:
            fields = field_lines(headers)
            self._send(answer_bytes(answer.status, fields, answer.body, keep=False))
            return
        reader, self._watcher = self._watcher, None
        transport = SocketTransport(self._let_go(), reader)
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


def _end_gently(sock: Any) -> None:
    with closing(sock):
        let_the_answer_be_read(sock)
