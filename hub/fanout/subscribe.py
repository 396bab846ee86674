"""A subscription: what a client asked for in, a listener on its way out (contract §2)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hub import cursor, sse
from hub.channel import BEFORE_FIRST
from hub.errors import RedisUnavailable
from hub.event import Event, compact_json
from hub.fanout.channel_kind import View
from hub.fanout.delivery import Delivery
from hub.fanout.listener import Listener
from hub.fanout.rendering import Cursor, Dialect, Plain, Wire
from hub.fanout.resume import Beginning, begin
from hub.fanout.room import Room
from hub.query import one_of, whole

log = logging.getLogger("hub.stream")

MAX_CHANNELS = 8


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
        start = one_of(args, "from", ("now", "start", "snapshot"))
        heartbeat = whole(args, "heartbeat", 1, 300, default=heartbeat_seconds)
        return cls(
            last_id,
            start,
            heartbeat,
            one_of(args, "heartbeat_style", ("event", "comment")) == "comment",
            one_of(args, "quiet", ("0", "1")) == "1",
            one_of(args, "overload", ("200", "503")) == "503",
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A listener that has not begun yet, and the first bytes of its stream's body.

    `end_counts`: the stream's end is all that tells its client that it has everything, so a cut
    must not look like it.
    """

    listener: Listener
    head: bytes
    end_counts: bool


class NotNow(Exception):
    """No stream at the moment; `reason` is a `closing` event's."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def prepare(
    delivery: Delivery,
    channels: Sequence[str],
    wishes: Wishes,
    address: str,
    *,
    dialect: str | None = None,
    view: View | None = None,
    start: str | None = None,
) -> Prepared | None:
    """Find where a listener begins; None where everything has ended and was seen (204).

    `dialect` names a format of the channel's kind, `view` is one that the caller has made; `start`
    stands where the client did not ask for a beginning. Raises `RequestError`, or `NotNow` where
    the hub is full, shutting down or without Redis. Leaves nothing behind if the listener is never
    started.
    """
    _let_in(delivery, address)
    names = tuple(sorted(set(channels)))
    delivery.start()
    try:
        rooms = tuple([delivery.room(name) for name in names])
        delivery.settled(rooms)
        beginnings = _beginnings(delivery, rooms, wishes, start)
        wire = Dialect(view) if view else _wire(rooms, dialect, wishes, beginnings)
        if all(b.ended for b in beginnings) or _nothing_left(rooms, wire, beginnings):
            return None
    except RedisUnavailable as error:
        raise NotNow("overloaded", error.detail) from error
    _let_in(delivery, address)  # again: all who came with this one have waited as well
    in_dialect = isinstance(wire, Dialect)
    listener = Listener(
        delivery,
        rooms,
        wire,
        # A channel whose snapshot is not written yet has not begun, and a cursor says so.
        ["" if b.snapshot and b.snapshot.frame else b.position for b in beginnings],
        heartbeat_seconds=wishes.heartbeat_seconds,
        heartbeat_comments=wishes.heartbeat_comments,
        quiet=wishes.quiet or in_dialect,
        address=address,
    )
    head = _head(delivery, rooms, wishes, beginnings, in_dialect=in_dialect)
    for index, beginning in enumerate(beginnings):
        if beginning.snapshot is not None:
            for frame in (beginning.snapshot.frame, beginning.snapshot.terminal):
                if frame is not None:
                    listener.insert_frame(index, frame)
    verdicts = [b.reason or "recovered" for b in beginnings]
    delivery.counters.replays.update(verdicts)
    log.info(
        "stream begins channels=%s address=%s verdict=%s",
        ",".join(names),
        address,
        ",".join(verdicts),
    )
    return Prepared(listener, head, in_dialect)


def _let_in(delivery: Delivery, address: str) -> None:
    if delivery.draining:
        raise NotNow("shutdown", "this process is shutting down")
    if delivery.full(address):
        raise NotNow("overloaded", "there are too many listeners")


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
    # Who has a place has seen text, which a snapshot would repeat: the view must know.
    known = wishes.last_id if beginnings[0].reason != "unknown-id" else None
    return Dialect(kind.view(rooms[0].channel, dialect, known))


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
    in_dialect: bool,
) -> bytes:
    """The first bytes of the body: `subscribed`, or what a quiet listener bears."""
    if in_dialect:
        return sse.comment()
    if wishes.quiet:
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
