"""The answer to a subscription: parameters in, a listener on its way out (contract §2)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any

from flask import Response, request
from gunicorn.workers.base_async import ALREADY_HANDLED

from hub import cursor, sse
from hub.begin import Beginning, begin
from hub.channel import BEFORE_FIRST
from hub.delivery import Delivery
from hub.errors import FieldError, Overloaded, RedisUnavailable
from hub.event import Event, compact_json
from hub.listener import Listener, closing
from hub.room import Room
from hub.transport import ResponseTransport, SocketTransport, can_take_over
from hub.wire import Cursor, Dialect, Plain, Wire

log = logging.getLogger("hub.stream")

MAX_CHANNELS = 8
HEADERS = {
    "Content-Type": sse.CONTENT_TYPE,
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a client may ask of a stream."""

    last_id: str | None
    start: str | None
    heartbeat_seconds: int
    heartbeat_comments: bool
    quiet: bool
    overload_503: bool

    @classmethod
    def of(cls, args: Mapping[str, str], header_id: str | None, heartbeat_seconds: int) -> Wishes:
        """Raises `FieldError` for everything but the id, which is never an error."""
        last_id = header_id or args.get("last_event_id") or args.get("lastEventId") or None
        start = _one_of(args, "from", ("now", "start", "snapshot"))
        heartbeat = args.get("heartbeat")
        if heartbeat is not None:
            if not heartbeat.isascii() or not heartbeat.isdigit() or not 1 <= int(heartbeat) <= 300:
                raise FieldError("heartbeat", "must be a whole number of seconds from 1 to 300")
            heartbeat_seconds = int(heartbeat)
        return cls(
            last_id,
            start,
            heartbeat_seconds,
            _one_of(args, "heartbeat_style", ("event", "comment")) == "comment",
            _one_of(args, "quiet", ("0", "1")) == "1",
            _one_of(args, "overload", ("200", "503")) == "503",
        )


def _one_of(args: Mapping[str, str], name: str, words: tuple[str, ...]) -> str | None:
    value = args.get(name)
    if value is not None and value not in words:
        raise FieldError(name, f"must be {' or '.join(words)}")
    return value


class StreamResponse(Response):
    """A response whose body is a listener's: it keeps the socket where that can be had."""

    def __init__(self, listener: Listener, head: bytes, delivery: Delivery) -> None:
        super().__init__(status=200, headers=HEADERS)
        self._listener = listener
        self._head = head
        self._delivery = delivery

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "HEAD":
            return super().__call__(environ, start_response)
        self._delivery.start()
        self._delivery.opened(self._listener)
        if can_take_over(environ):
            transport = SocketTransport(environ["gunicorn.socket"])
            self._listener.start(transport, self._status_and_headers() + self._head)
            return ALREADY_HANDLED
        body = ResponseTransport()
        self._listener.start(body, self._head)
        self.response = body.body()
        return super().__call__(environ, start_response)

    def _status_and_headers(self) -> bytes:
        """The stream ends with its connection: no length, no chunks (RFC 9112 §6.3)."""
        lines = [f"HTTP/1.1 {self.status}", f"Date: {formatdate(usegmt=True)}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers if name != "Content-Length"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def subscribe(
    delivery: Delivery,
    channels: Sequence[str],
    *,
    dialect: str | None = None,
    start: str | None = None,
    wishes: Wishes | None = None,
) -> Response:
    """Answer the current request with a stream of `channels`.

    `dialect` names a format of the channel's kind; `start` stands where the client did not ask for
    a beginning. Raises `RequestError`; where Redis does not answer the stream is refused in the way
    that makes EventSource come back.
    """
    if wishes is None:
        header_id = request.headers.get("Last-Event-ID")
        wishes = Wishes.of(request.args, header_id, delivery.settings.heartbeat_seconds)
    address = request.remote_addr or "-"
    if delivery.draining:
        return _refusal(delivery, wishes, "shutdown", "this process is shutting down")
    if request.method != "HEAD" and delivery.full(address):
        return _refusal(delivery, wishes, "overloaded", "there are too many listeners")
    names = tuple(sorted(set(channels)))
    delivery.start()
    try:
        rooms = tuple(delivery.room(name) for name in names)
        delivery.settled(rooms)
        beginnings = _beginnings(delivery, rooms, wishes, start)
        wire = _wire(rooms, dialect, wishes, beginnings)
        if all(b.ended for b in beginnings) or _nothing_left(rooms, wire, beginnings):
            return Response(status=204)
    except RedisUnavailable as error:
        return _refusal(delivery, wishes, "overloaded", error.detail)
    quiet = wishes.quiet or dialect is not None
    listener = Listener(
        delivery,
        rooms,
        wire,
        # A channel whose snapshot is not written yet has not begun, and a cursor says so.
        ["" if b.snapshot and b.snapshot.frame else b.position for b in beginnings],
        heartbeat_seconds=wishes.heartbeat_seconds,
        heartbeat_comments=wishes.heartbeat_comments,
        quiet=quiet,
        address=address,
    )
    head = _head(delivery, rooms, wishes, beginnings, quiet=quiet, dialect=dialect)
    for index, beginning in enumerate(beginnings):
        if beginning.snapshot is not None:
            for frame in (beginning.snapshot.frame, beginning.snapshot.terminal):
                if frame is not None:
                    listener.insert_frame(index, frame)
    delivery.counters.replays.update(b.reason or "recovered" for b in beginnings)
    log.info(
        "stream begins channels=%s address=%s verdict=%s",
        ",".join(names),
        address,
        ",".join(b.reason or "recovered" for b in beginnings),
    )
    return StreamResponse(listener, head, delivery)


def _beginnings(
    delivery: Delivery, rooms: tuple[Room, ...], wishes: Wishes, start: str | None
) -> list[Beginning]:
    last_ids: list[str | None] = [wishes.last_id] * len(rooms)
    unreadable = False
    if len(rooms) > 1 and wishes.last_id is not None:
        positions = cursor.decode(tuple(room.channel for room in rooms), wishes.last_id)
        unreadable = positions is None
        last_ids = [position or None for position in positions or [""] * len(rooms)]
    found = [
        begin(room, last_id, wishes.start or start)
        for room, last_id in zip(rooms, last_ids, strict=True)
    ]
    if unreadable:
        found = [replace(b, recovered=False, reason="unknown-id", ended=False) for b in found]
    if any(b.snapshot is not None for b in found):
        delivery.settled(rooms)  # a snapshot may know more than its room did
    return found


def _wire(
    rooms: tuple[Room, ...], dialect: str | None, wishes: Wishes, beginnings: list[Beginning]
) -> Wire:
    if len(rooms) > 1:
        return Cursor(tuple(room.channel for room in rooms))
    kind = rooms[0].kind
    if dialect is None or kind is None:
        return Plain()
    fresh = wishes.last_id is None or beginnings[0].snapshot is not None
    return Dialect(kind.view(rooms[0].channel, dialect, None if fresh else beginnings[0].position))


def _nothing_left(rooms: tuple[Room, ...], wire: Wire, beginnings: list[Beginning]) -> bool:
    """In a dialect the terminal event may say nothing: then whoever saw the last block saw all."""
    room, beginning = rooms[0], beginnings[0]
    if (
        not isinstance(wire, Dialect)
        or not room.end
        or beginning.snapshot
        or not beginning.position
    ):
        return False
    if beginning.position == BEFORE_FIRST:
        return False
    chunks = room.after(beginning.position)
    if chunks is None:
        room.read(beginning.position)
        chunks = room.after(beginning.position)
    if not chunks or chunks[-1].last != room.end:
        return False
    return not wire.render([(0, chunk) for chunk in chunks], [beginning.position])[0]


def _head(
    delivery: Delivery,
    rooms: tuple[Room, ...],
    wishes: Wishes,
    beginnings: list[Beginning],
    *,
    quiet: bool,
    dialect: str | None,
) -> bytes:
    """The first bytes of the body: `subscribed`, or what a quiet listener bears."""
    if dialect is not None:
        return sse.comment()
    if quiet:
        return sse.comment() + sse.retry(delivery.retry_ms())
    verdicts = {
        room.channel: beginning.verdict(room.head)
        for room, beginning in zip(rooms, beginnings, strict=True)
    }
    data = {"channels": verdicts, "heartbeat_seconds": wishes.heartbeat_seconds}
    event = Event(compact_json(data), "subscribed", retry_ms=delivery.settings.retry_ms)
    shown = [b.shown_id for b in beginnings]
    if len(rooms) > 1:
        token = cursor.encode(tuple(r.channel for r in rooms), shown) if any(shown) else ""
    else:
        token = shown[0]
    return sse.encode(event, token or None)


def _refusal(delivery: Delivery, wishes: Wishes, reason: str, detail: str) -> Response:
    """No stream now: said so that EventSource comes back, or as 503 to those who ask for it."""
    if wishes.overload_503:
        raise Overloaded(detail)
    body = closing(reason, True, delivery.retry_ms())
    return Response(b"" if request.method == "HEAD" else body, headers=HEADERS)
