"""A subscription: what a client asked for in, a listener on its way out (contract §2)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from hub import cursor, own_events, sse
from hub.channel import BEFORE_FIRST
from hub.errors import RedisUnavailable
from hub.fanout.channel_kind import View
from hub.fanout.delivery import Delivery
from hub.fanout.listener import Listener
from hub.fanout.rendering import Dialect, Envelope, Labelled, Listed, Plain, Rendering
from hub.fanout.resume import StartingPoint, resume
from hub.fanout.room import Room
from hub.query import one_of, whole

log = logging.getLogger("hub.stream")

MAX_CHANNELS = 8
MAX_HEARTBEAT_SECONDS = 300
STARTS = ("now", "start", "snapshot")
HEARTBEAT_STYLES = ("event", "comment")
_LAST_ID = ("last_event_id", "lastEventId", "lastEventID")


@dataclass(frozen=True, slots=True)
class SubscribeOptions:
    """What a client may ask of a stream.

    `listed`: it named its channels as a list, one or several, and each event names its own.
    `after`: positions in single channels, for a client whose list has changed since it had an id;
    an id wins over them, since a client that was cut off returns to the same address.
    """

    last_id: str | None
    start: str | None
    heartbeat_seconds: int
    heartbeat_comments: bool
    quiet: bool
    overload_503: bool
    envelope: bool = False
    listed: bool = False
    after: Mapping[str, str] = field(default_factory=dict)
    heard: bool = False
    """This process has heard what was announced before this was asked for, or the stream is whole
    from its start and says nothing about what there is by now. Where a channel is in step with its
    history, too, nothing is waited for."""
    label: str = ""
    """What stands in front of each id on this stream; the program that sets it takes it off."""

    @classmethod
    def of(
        cls,
        args: Mapping[str, str],
        header_id: str | None,
        heartbeat_seconds: int,
        *,
        listed: bool = False,
        after: Mapping[str, str] | None = None,
        heard: bool = False,
    ) -> SubscribeOptions:
        """Raises `FieldError` for everything but the id, which is never an error."""
        last_id = header_id or last_id_in(args)
        start = one_of(args, "from", STARTS)
        heartbeat = whole(args, "heartbeat", 1, MAX_HEARTBEAT_SECONDS, default=heartbeat_seconds)
        return cls(
            last_id,
            start,
            heartbeat,
            one_of(args, "heartbeat_style", HEARTBEAT_STYLES) == "comment",
            one_of(args, "quiet", ("0", "1")) == "1",
            one_of(args, "overload", ("200", "503")) == "503",
            one_of(args, "envelope", ("0", "1")) == "1",
            listed,
            after or {},
            heard,
        )


def last_id_in(args: Mapping[str, str]) -> str | None:
    """The last id in a query: by our name, or by those that polyfills of EventSource and other hubs
    have given it."""
    return next((args[name] for name in _LAST_ID if args.get(name)), None)


@dataclass(frozen=True, slots=True)
class PreparedStream:
    """A listener that has not begun yet, and the first bytes of its stream's body.

    `end_counts`: the stream's end is all that tells its client that it has everything, so a cut
    must not look like it. `headers`: those of its dialect, beside the ones that every stream has.
    """

    listener: Listener
    head: bytes
    end_counts: bool
    headers: tuple[tuple[str, str], ...]


class SubscribeRejected(Exception):
    """No stream at the moment; `reason` is a `closing` event's."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def prepare(
    delivery: Delivery,
    channels: Sequence[str],
    options: SubscribeOptions,
    address: str,
    *,
    dialect: str | None = None,
    view: View | None = None,
    start: str | None = None,
) -> PreparedStream | None:
    """Find where a listener begins; None where everything has ended and was seen (204).

    `dialect` names a format of the channel's kind, `view` is one that the caller has made; `start`
    stands where the client did not ask for a starting point. Raises `RequestError`,
    `RedisRefused`, or `SubscribeRejected` where the hub is full, shutting down or without Redis.
    Leaves nothing behind if the listener is never started.
    """
    _let_in(delivery, address)
    delivery.start()
    with delivery.held(sorted(set(channels))) as rooms:
        return _prepared(delivery, rooms, options, address, dialect, view, start)


def _prepared(
    delivery: Delivery,
    rooms: tuple[Room, ...],
    options: SubscribeOptions,
    address: str,
    dialect: str | None,
    view: View | None,
    start: str | None,
) -> PreparedStream | None:
    try:
        if not (options.heard and all(room.in_step.is_set() for room in rooms)):
            delivery.wait_until_current(rooms)
        starting_points = _starting_points(delivery, rooms, options, start)
        rendering = Dialect(view) if view else _rendering(rooms, dialect, options, starting_points)
        if all(b.ended for b in starting_points) or _nothing_left(
            rooms, rendering, starting_points
        ):
            return None
    except RedisUnavailable as error:  # what Redis refuses for good is an error like any other
        raise SubscribeRejected("overloaded", error.detail) from error
    _let_in(delivery, address)  # again: all who came with this one have waited as well
    in_dialect = isinstance(rendering, Dialect)
    headers = tuple(rendering.view.headers.items()) if isinstance(rendering, Dialect) else ()
    if options.label:
        rendering = Labelled(rendering, options.label)
    listener = Listener(
        delivery,
        rooms,
        rendering,
        # A channel whose snapshot is not written yet has not begun, and a cursor says so.
        ["" if b.snapshot and b.snapshot.frame else b.position for b in starting_points],
        heartbeat_seconds=options.heartbeat_seconds,
        heartbeat_comments=options.heartbeat_comments,
        quiet=options.quiet or in_dialect,
        address=address,
    )
    head = _head(delivery, rooms, options, starting_points, in_dialect=in_dialect)
    for index, starting_point in enumerate(starting_points):
        if starting_point.snapshot is not None:
            listener.insert_snapshot(listener.render_snapshot(index, starting_point.snapshot))
    verdicts = [b.reason or "recovered" for b in starting_points]
    delivery.counters.replays.update(verdicts)
    log.info(
        "stream begins channels=%s address=%s verdict=%s",
        ",".join(room.channel for room in rooms),
        address,
        ",".join(verdicts),
    )
    return PreparedStream(listener, head, in_dialect, headers)


def _let_in(delivery: Delivery, address: str) -> None:
    if delivery.draining:
        raise SubscribeRejected("shutdown", "this process is shutting down")
    if delivery.full(address):
        raise SubscribeRejected("overloaded", "there are too many listeners")


def _starting_points(
    delivery: Delivery, rooms: tuple[Room, ...], options: SubscribeOptions, start: str | None
) -> list[StartingPoint]:
    last_ids = [options.last_id or options.after.get(room.channel) or None for room in rooms]
    unreadable = False
    if len(rooms) > 1 and options.last_id is not None:
        positions = cursor.decode(tuple(room.channel for room in rooms), options.last_id)
        unreadable = positions is None
        last_ids = [position or None for position in positions or [""] * len(rooms)]
    found = [
        resume(room, last_id, options.start or start)
        for room, last_id in zip(rooms, last_ids, strict=True)
    ]
    if unreadable:
        found = [replace(b, recovered=False, reason="unknown-id", ended=False) for b in found]
    if any(b.snapshot is not None for b in found):
        delivery.wait_until_current(rooms)  # a snapshot may know more than its room did
    return found


def _rendering(
    rooms: tuple[Room, ...],
    dialect: str | None,
    options: SubscribeOptions,
    starting_points: list[StartingPoint],
) -> Rendering:
    if options.listed or len(rooms) > 1:
        return Listed(tuple(room.channel for room in rooms), options.envelope)
    kind = rooms[0].kind
    if dialect is None or kind is None:
        return Envelope(rooms[0].channel) if options.envelope else Plain()
    # Who has a place has seen text, which a snapshot would repeat: the view must know.
    known = options.last_id if starting_points[0].reason != "unknown-id" else None
    return Dialect(kind.view(rooms[0].channel, dialect, known))


def _nothing_left(
    rooms: tuple[Room, ...], rendering: Rendering, starting_points: list[StartingPoint]
) -> bool:
    """In a dialect the terminal event may be empty: a client that saw the last block saw all."""
    room, starting_point = rooms[0], starting_points[0]
    if (
        not isinstance(rendering, Dialect)
        or not room.end
        or starting_point.snapshot
        or not starting_point.position
    ):
        return False
    if starting_point.position == BEFORE_FIRST:
        return False
    chunks = room.after(starting_point.position)
    if chunks is None:
        room.read(starting_point.position)
        chunks = room.after(starting_point.position)
    if not chunks or chunks[-1].last != room.end:
        return False
    return not rendering.render([(0, chunk) for chunk in chunks], [starting_point.position])[0]


def _head(
    delivery: Delivery,
    rooms: tuple[Room, ...],
    options: SubscribeOptions,
    starting_points: list[StartingPoint],
    *,
    in_dialect: bool,
) -> bytes:
    """The first bytes of the body: `subscribed`, or what a quiet listener bears."""
    if in_dialect:
        return sse.comment()
    if options.quiet:
        return sse.comment() + sse.retry(delivery.retry_ms())
    verdicts = tuple(
        [
            (room.channel, starting_point.verdict(room.head))
            for room, starting_point in zip(rooms, starting_points, strict=True)
        ]
    )
    names = tuple(room.channel for room in rooms)
    shown = [b.shown_id for b in starting_points]
    token = shown[0]
    if len(rooms) > 1:
        token = cursor.encode(names, shown) if any(shown) else ""
    return own_events.subscribed(
        verdicts,
        options.heartbeat_seconds,
        delivery.settings.retry_ms,
        f"{options.label}{token}" if token else None,
        tuple(zip(names, shown, strict=True)) if options.listed else None,
    )
