"""A listener for tests: one raw socket, the standard's parser, and a deadline on everything.

It can do what real clients do and libraries hide: read slowly, stop reading, be cut off without
notice, and return with the last id that it saw.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from hub import sse
from tests.support import keys
from tests.support.deadline import deadline

OWN_TYPES = ("subscribed", "heartbeat", "gap", "closing")


class Ended(AssertionError):
    """The stream was over before what was waited for arrived."""


class EventStream:
    """An open stream. `events` is everything that has arrived, `status` and `headers` the answer.

    Query parameters go into `query`; a `body` makes it a POST with JSON. `receive_buffer` bounds
    what the kernel takes in for a listener that does not read.
    """

    def __init__(
        self,
        url: str,
        *,
        query: Mapping[str, object] | None = None,
        last_event_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        method: str = "",
        receive_buffer: int = 0,
        timeout: float = 10.0,
    ) -> None:
        self.url, self.query, self.extra, self.body = url, dict(query or {}), headers, body
        self.timeout = timeout
        self.receive_buffer = receive_buffer
        self.events: list[sse.Parsed] = []
        self.received_at: list[float] = []
        self.raw = bytearray()
        self.ended = False
        self.clean = False
        self._parser = sse.Parser()
        self._parser.last_id = last_event_id or ""
        self._taken = 0
        self._chunks: _Chunks | None = None
        parts = urlsplit(url)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect((parts.hostname, parts.port))
            if parts.scheme == "https":
                self.socket = _any_certificate().wrap_socket(self.socket)
            self.socket.sendall(self._request(method, last_event_id))
            self.status, self.headers = self._read_head()
        except BaseException:
            self.socket.close()
            raise

    # --- what arrived

    @property
    def last_id(self) -> str:
        """The id that EventSource would send when it returns."""
        return self._parser.last_id

    @property
    def comments(self) -> int:
        return self._parser.comments

    @property
    def published(self) -> list[sse.Parsed]:
        """The events that the hub did not add itself."""
        return [event for event in self.events if event.event not in OWN_TYPES]

    def without_beats(self, at: int) -> bytes:
        """What came from byte `at` on, and no heartbeat: the first may fall anywhere in its
        period, however long that is."""
        blocks = bytes(self.raw[at:]).split(b"\n\n")
        return b"\n\n".join(b for b in blocks if not b.startswith(b"event: heartbeat\n"))

    def json(self) -> Any:
        """The body of an answer that is not a stream."""
        return json.loads(self.read_all())

    # --- waiting for what is to arrive

    def next(self, *types: str, within_seconds: float | None = None) -> sse.Parsed:
        """The next event not yet taken, of one of `types` (others are passed). Where none is named,
        any but a heartbeat, which may fall anywhere in its period."""
        give_up = deadline(self.timeout if within_seconds is None else within_seconds)
        while True:
            while self._taken < len(self.events):
                self._taken += 1
                event = self.events[self._taken - 1]
                if event.event in types or (not types and event.event != "heartbeat"):
                    return event
            self._read(give_up)

    def take(self, count: int, within_seconds: float | None = None) -> list[sse.Parsed]:
        """The next `count` published events."""
        give_up = deadline(self.timeout if within_seconds is None else within_seconds)
        taken: list[sse.Parsed] = []
        while len(taken) < count:
            event = self.next(within_seconds=max(0.0, give_up - time.monotonic()))
            if event.event not in OWN_TYPES:
                taken.append(event)
        return taken

    def until(
        self, condition: Callable[[EventStream], object], within_seconds: float | None = None
    ) -> EventStream:
        """Read until `condition(self)` holds."""
        give_up = deadline(self.timeout if within_seconds is None else within_seconds)
        while not condition(self):
            self._read(give_up)
        return self

    def until_data(self, data: str) -> EventStream:
        """Read until an event with this data has arrived, whatever came with it: one read may bring
        several events, a heartbeat behind this one among them."""
        return self.until(lambda stream: any(event.data == data for event in stream.events))

    def to_end(self, within_seconds: float | None = None) -> list[sse.Parsed]:
        """Read until the hub ends the stream. All events."""
        give_up = deadline(self.timeout if within_seconds is None else within_seconds)
        while not self.ended:
            self._read(give_up)
        return self.events

    def read_all(self, within_seconds: float | None = None) -> bytes:
        self.to_end(within_seconds)
        return bytes(self.raw)

    def verdict(self, channel: str) -> dict[str, Any]:
        """What `subscribed` said about `channel`; waits for it."""
        first = self.until(lambda stream: stream.events).events[0]
        assert first.event == "subscribed", first
        verdict: dict[str, Any] = json.loads(first.data)["channels"][channel]
        return verdict

    def feed_some(self, size: int = 65536) -> int:
        """Read once, at most `size` bytes, without waiting longer than the timeout. For slow
        listeners, and for one thread that serves many. The bytes read; 0 when it is over."""
        try:
            data = self.socket.recv(size)
        except TimeoutError:
            raise
        except OSError:
            data = b""
        if not data:
            self._end()
        else:
            self._take_in(data)
        return len(data)

    def fileno(self) -> int:
        return self.socket.fileno()

    # --- leaving and returning

    def cut(self) -> None:
        """Gone without notice: a reset, as from a tunnel or a crash."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self.socket.close()

    def returned(self, url: str | None = None, **changes: Any) -> EventStream:
        """A new stream with the last id seen, as EventSource comes back (a GET)."""
        self.close()
        options: dict[str, Any] = {
            "query": self.query,
            "headers": self.extra,
            "timeout": self.timeout,
            "receive_buffer": self.receive_buffer,
            "last_event_id": self.last_id or None,
            **changes,
        }
        return EventStream(url or self.url, **options)

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- inside

    def _request(self, method: str, last_event_id: str | None) -> bytes:
        parts = urlsplit(self.url)
        query = "&".join(part for part in (parts.query, urlencode(self.query, doseq=True)) if part)
        body = b"" if self.body is None else json.dumps(self.body).encode()
        lines = [
            f"{method or ('POST' if body else 'GET')} {parts.path}{'?' if query else ''}{query} "
            "HTTP/1.1",
            f"Host: {parts.netloc}",
            "Accept: text/event-stream",
        ]
        if last_event_id is not None:
            lines.append(f"Last-Event-ID: {last_event_id}")
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        shown = {**(self.extra or {}), **keys.headers(self.extra, query)}
        lines += [f"{name}: {value}" for name, value in shown.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def _read_head(self) -> tuple[int, dict[str, str]]:
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.socket.recv(65536)
            if not more:
                raise Ended(f"no answer, only {data!r}")
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        if headers.get("transfer-encoding", "").lower() == "chunked":
            self._chunks = _Chunks()
        self._length = int(headers.get("content-length", -1))
        number = int(status.split(" ")[1])
        if number in (204, 304) or self._length == 0:
            self._length, self.clean, self.ended = 0, True, True
        elif rest:
            self._take_in(rest)
        return number, headers

    def _read(self, give_up: float) -> None:
        if self.ended:
            raise Ended(f"the stream is over after {self._tail()}")
        left = give_up - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"nothing in time, after {self._tail()}")
        self.socket.settimeout(left)
        try:
            self.feed_some()
        except TimeoutError:
            raise TimeoutError(f"nothing in time, after {self._tail()}") from None

    def _take_in(self, data: bytes) -> None:
        if self._chunks:
            data = b"".join(self._chunks.feed(data))
        self.raw += data
        now = time.monotonic()
        for event in self._parser.feed(data):
            self.events.append(event)
            self.received_at.append(now)
        over = self._chunks.over if self._chunks else 0 <= self._length <= len(self.raw)
        if over:
            self.clean = True
            self._end()

    def _end(self) -> None:
        self.ended = True
        self.clean = self.clean or not (self._chunks or self._length >= 0)

    def _tail(self) -> str:
        return f"{len(self.events)} events, the last {self.events[-3:]!r}"


def _any_certificate() -> ssl.SSLContext:
    """The servers of the tests have certificates that they signed themselves."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class _Chunks:
    """HTTP/1.1 chunks (RFC 9112 §7.1), at whatever borders they come."""

    def __init__(self) -> None:
        self._buffer = b""
        self._left = 0
        self.over = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._buffer += data
        while self._buffer and not self.over:
            if self._left > 2:
                piece = self._buffer[: self._left - 2]
                self._left -= len(piece)
                self._buffer = self._buffer[len(piece) :]
                yield piece
            elif self._left:
                dropped = min(self._left, len(self._buffer))
                self._left -= dropped
                self._buffer = self._buffer[dropped:]
            elif b"\r\n" in self._buffer:
                line, _, self._buffer = self._buffer.partition(b"\r\n")
                size = int(line.split(b";")[0], 16)
                self.over = size == 0
                self._left = size + 2
            else:
                return
