"""One open stream: a transport and a place.

The place is either a group (the listener is at the head and owns nothing but its socket) or
positions of its own (it is *behind*). Being new, slow, back again or cut off from Redis for a while
are the same state, and `advance` is the one way out of it: send what is left of a frame, then the
frames after the position, from memory or else from history, until a group stands there.

Nothing here waits: a socket that takes no more is left alone until it is writable, a history page
that is not in memory is asked for (`Keeper.fetch`) and `advance` is called again when it is there.

But others run while what is large is rendered: a snapshot comes, the socket is free again, the
stream is to end. So one leads at a time, what is rendered is made of copies, and it counts only
where the listener still stands as it stood before; otherwise it is thrown away.

    state     what it has                          left by
    AT_HEAD   a group, which knows its positions   bytes did not fit → FULL
                                                   a deletion, or history lost the head → BEHIND
    BEHIND    positions of its own                 every room's head reached → AT_HEAD
                                                   the socket takes no more → FULL
                                                   a page must be read: BEHIND, until it is there
    FULL      also the rest of a frame             writable → BEHIND
    ENDING    a rest, and nothing behind it        the rest is sent → CLOSED
    CLOSED    nothing                              –

A client that leaves or accepts nothing any more (`stalls`), a token that ends and a process that
shuts down close it in every state.

The Protocols below have one implementation each, which imports this module: they break a circle.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from enum import Enum, auto
from functools import partial
from typing import Any, Protocol

from hub import own_events, sse
from hub.fanout.channel_kind import Snapshot
from hub.fanout.rendering import Item, Rendered, Rendering, Shown, cut, shown
from hub.fanout.unsent import NOTHING, Unsent
from hub.store.chunk import Chunk
from hub.trace import current

log = logging.getLogger("hub.stream")

_NOWHERE: list[Any] = []
"""What a listener at the head keeps of its place: nothing, its group knows."""

_FIRST_BYTES = 16 * 1024
"""About how many bytes of frames may travel with a stream's head."""

_TURNS = 8
"""How many sends `advance` makes before it lets others have a turn."""

_BY_NOBODY, _BY_ONE, _AND_CALLED = 0, 1, 2
"""Whether `advance` is under way, and whether it was called again meanwhile."""


class State(Enum):
    """Where a listener stands: see the table above."""

    AT_HEAD = auto()
    BEHIND = auto()
    FULL = auto()
    ENDING = auto()
    CLOSED = auto()


class Transport(Protocol):
    """Bytes out, without waiting."""

    @property
    def send(self) -> Callable[[bytes], int]:
        """Take what fits and return how much; raise BlockingIOError (nothing does) or OSError."""
        ...

    def when_writable(self, callback: Callable[[], None]) -> None:
        """Call back once, as soon as `send` would take something again."""
        ...

    def when_gone(self, callback: Callable[[], None]) -> None:
        """Call back when the client has left."""
        ...

    def progress(self) -> Hashable | None:
        """None where the client has accepted all that was sent, as far as can be known; otherwise
        a value that changes when it accepts some."""
        ...

    def break_off(self) -> None:
        """End a `send` of the server's own that the client holds up; `close` follows."""
        ...

    def close(self) -> None: ...


class Source(Protocol):
    """A channel in this process, as a listener sees it (`room.Room`)."""

    channel: str
    head: str
    end: str
    deletions: int
    listeners: int
    listeners_elsewhere: int

    def after(self, position: str, size: int = ...) -> list[Chunk] | None:
        """About `size` bytes of frames behind `position`, or None: they are not in memory."""
        ...


def all_ended(rooms: Sequence[Source], positions: Sequence[str]) -> bool:
    """Whether each channel has ended and its terminal event lies behind its position."""
    for room, position in zip(rooms, positions, strict=True):
        if not room.end or position != room.end:
            return False
    return True


class Place(Protocol):
    """Where listeners stand that are at the head (`group.Group`)."""

    @property
    def members(self) -> Mapping[Listener, Callable[[bytes], int]]: ...

    def join(self, listener: Listener, send: Callable[[bytes], int]) -> None: ...

    def leave(self, listener: Listener) -> tuple[list[str], Rendering | None]: ...

    def dissolve(self) -> None: ...


class Keeper(Protocol):
    """Whom a listener turns to (`delivery.Delivery`)."""

    def later(self, step: Callable[[], None]) -> None: ...

    def retry_ms(self) -> int: ...

    def fetch(self, listener: Listener, index: int) -> None: ...

    def place_at(
        self, rooms: tuple[Source, ...], rendering: Rendering, positions: list[str]
    ) -> Place: ...

    def closed(self, listener: Listener, reason: str) -> None: ...


class Listener:
    __slots__ = (
        "_keeper",
        "_led",
        "_rendering",
        "_rest",
        "_transport",
        "address",
        "bytes",
        "closed",
        "deletions",
        "events",
        "expires",
        "full",
        "group",
        "heartbeat_comments",
        "heartbeat_seconds",
        "opened",
        "positions",
        "quiet",
        "rooms",
        "token",
        "trace",
        "when_left",
    )

    def __init__(
        self,
        keeper: Keeper,
        rooms: tuple[Source, ...],
        rendering: Rendering,
        positions: list[str],
        *,
        heartbeat_seconds: int,
        heartbeat_comments: bool,
        quiet: bool,
        address: str,
    ) -> None:
        self._keeper = keeper
        self.rooms = rooms
        self._rendering: Rendering | None = rendering
        self.positions: list[str] = positions
        self.deletions = [room.deletions for room in rooms]
        self.events = 0
        self.bytes = 0
        self.heartbeat_seconds = heartbeat_seconds
        self.heartbeat_comments = heartbeat_comments
        self.quiet = quiet
        self.address = address
        self.group: Place | None = None
        self.when_left: Callable[[], None] | None = None
        self.expires: float | None = None
        self.token = ""
        self.closed = False
        self.full = False
        self.opened = time.monotonic()
        self.trace = current.get()
        self._rest = NOTHING
        self._led = _BY_NOBODY

    def start(self, transport: Transport, head: bytes) -> None:
        """Begin with `head` (whole frames) and go on from the positions."""
        self._transport = transport
        transport.when_gone(self.lost)
        rest, self._rest = self._rest, NOTHING.then(head)
        for part in rest.parts:
            self._rest = self._rest.then(part)
        self._gather()
        self.advance()

    # ── at the head ──────────────────────────────────────────────────────────────────────────

    def fell_behind(
        self,
        rendering: Rendering,
        items: Sequence[Item],
        positions: list[str],
        sent: int,
        rendered: Rendered,
    ) -> None:
        """A turn's bytes did not fit (or end the stream); the group has let go of it already, and
        goes on with its turn: the rest is done behind it."""
        self.bytes += sent
        self._detached(positions, None)
        self._hold(items, sent, rendered)
        shorten = partial(self._shorten, self._rest, rendering, items, positions, sent, rendered)
        self._keeper.later(partial(self._lead, shorten))

    def _hold(self, items: Sequence[Item], sent: int, rendered: Rendered) -> None:
        """Stand behind what was rendered, with all of it that was not sent yet."""
        data, self._rendering = rendered
        self.positions = list(self.positions)
        for index, chunk in items:
            self.positions[index] = chunk.last
            self.events += chunk.count
        self._rest = Unsent((data,), sent) if sent < len(data) else NOTHING

    def _shorten(
        self,
        held: Unsent,
        rendering: Rendering,
        items: Sequence[Item],
        positions: list[str],
        sent: int,
        rendered: Rendered,
    ) -> None:
        """Stand behind the frame where the socket took no more, and hold no other's bytes."""
        if not held or self._rest is not held:
            return
        found = cut(rendering, items, positions, sent, rendered)
        if self._rest is held:
            self._rest, self.positions, self._rendering = (
                found.rest,
                found.positions,
                found.rendering,
            )
            self.events -= sum(chunk.count for _, chunk in items) - found.events

    def detach(self) -> None:
        """Leave the head without having missed anything yet; the caller sees to `advance`."""
        if self.group is not None:
            positions, rendering = self.group.leave(self)
            self._detached(positions, rendering)

    def _detached(self, positions: list[str], rendering: Rendering | None) -> None:
        self.positions = positions
        self._rendering = rendering
        self.deletions = [room.deletions for room in self.rooms]
        group, self.group = self.group, None
        if group is not None and not group.members:
            group.dissolve()

    # ── behind ───────────────────────────────────────────────────────────────────────────────

    @property
    def state(self) -> State:
        """Told from what it has, so that the two cannot differ."""
        if self.closed:
            return State.CLOSED
        if self.group is not None:
            return State.AT_HEAD
        if self.full:
            return State.FULL
        return State.ENDING if self._rendering is None else State.BEHIND

    def behind(self) -> bool:
        return not self.closed and self.group is None

    def advance(self) -> None:
        """Go on until the socket takes no more, history must be asked, or the head is reached."""
        self._lead()

    def _lead(self, first: Callable[[], None] | None = None) -> None:
        """Do `first`, and go on. Called while another call is at it, it leaves all to that one,
        which goes on from what it finds then."""
        if self._led:
            self._led = _AND_CALLED
            return
        self._led, more = _BY_ONE, False
        try:
            if first is not None:
                first()
            more = self._go_on()
        except Exception:  # its own trouble: a loop that led it leads others, too
            log.exception("a listener could not be led on")
            self.close("error")
        finally:
            called, self._led = self._led == _AND_CALLED, _BY_NOBODY
        if more or called:
            self._keeper.later(self.advance)

    def _go_on(self) -> bool:
        """Whether there is more to do when others have had a turn."""
        for _ in range(_TURNS):
            if not self.behind():
                return False
            if self._rest:
                if not self._send_rest():
                    return False
                continue
            if self._rendering is None or all_ended(self.rooms, self.positions):
                self.close("ended")
                return False
            behind = self._first_behind()
            if behind is None:
                self._reach_head()
                return False
            if not self._send_after(behind):
                return False
        return True

    def _gather(self) -> None:
        """Let the first frames travel with the head, if memory has them: one `send` less for each
        of a storm's returning listeners."""
        index = self._first_behind()
        if index is None or self._rendering is None:
            return
        chunks = self.rooms[index].after(self.positions[index], _FIRST_BYTES)
        if chunks:
            items = [(index, chunk) for chunk in chunks]
            data, self._rendering = self._rendering.render(items, self.positions)
            self._rest = self._rest.then(data)
            self.events += sum(chunk.count for chunk in chunks)

    def insert(self, data: bytes) -> None:
        """Put a whole frame that has no place in a channel (a gap) before what follows. Only for a
        listener that is behind and at a frame's border."""
        self._rest = self._rest.then(data)

    def render_snapshot(self, index: int, snapshot: Snapshot) -> Shown:
        """A snapshot and the terminal event that it brings, as this listener is sent them. Others
        may run meanwhile."""
        made = Shown((), list(self.positions), self._rendering)
        made.positions[index] = snapshot.position
        if made.rendering is not None and snapshot.frame is not None:
            made = shown(made.rendering, snapshot, index, made.positions)
        if made.rendering is not None and snapshot.terminal is not None:
            positions = list(made.positions)
            data, following = made.rendering.frame(index, snapshot.terminal, positions)
            made = Shown((*made.parts, data), positions, following)
        return made

    def insert_snapshot(self, made: Shown) -> None:
        """Put it there, and the listener's position behind it."""
        self.positions, self._rendering = made.positions, made.rendering
        for part in made.parts:
            self._rest = self._rest.then(part)

    def end_after(self, reason: str) -> None:
        """End the stream behind what is to be sent yet; the client shall not come back."""
        self._rest = self._rest.then(self._closing(reason, reconnect=False))
        self._rendering = None

    def _send_rest(self) -> bool:
        """Send a piece of it; False where the socket takes no more."""
        piece = self._rest.piece()
        sent = self._try_send(piece)
        if self.closed:
            return False
        self._rest = self._rest.after(sent)
        return sent == len(piece)

    def _send_after(self, index: int) -> bool:
        room = self.rooms[index]
        if self.deletions[index] != room.deletions:
            self._keeper.fetch(self, index)
            return False
        chunks = room.after(self.positions[index])
        if chunks is None:
            self._keeper.fetch(self, index)
            return False
        assert self._rendering is not None
        items = [(index, chunk) for chunk in chunks]
        before, rendering = list(self.positions), self._rendering
        rendered = rendering.render(items, list(before))
        if not self._stands(before):
            return True
        sent = self._try_send(rendered[0]) if rendered[0] else 0
        if self.closed:
            return False
        self._hold(items, sent, rendered)
        self._shorten(self._rest, rendering, items, before, sent, rendered)
        return sent == len(rendered[0])

    def _stands(self, before: list[str]) -> bool:
        """False: others ran, and it has moved, or something is to be sent first."""
        return not self.closed and not self._rest and self.positions == before

    def _try_send(self, data: bytes) -> int:
        """How much was taken; where it was not all, `advance` comes back when there is room."""
        try:
            sent = self._transport.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.lost()
            return 0
        self.bytes += sent
        if sent < len(data):
            self._wait_for_room()
        return sent

    def _wait_for_room(self) -> None:
        self.full = True
        self._transport.when_writable(self._writable)

    def _writable(self) -> None:
        if not self.closed:
            self.full = False
            self.advance()

    def _first_behind(self) -> int | None:
        for index, room in enumerate(self.rooms):
            if self.positions[index] != room.head or self.deletions[index] != room.deletions:
                return index
        return None

    def _reach_head(self) -> None:
        assert self._rendering is not None
        self.group = self._keeper.place_at(self.rooms, self._rendering, self.positions)
        self.group.join(self, self._transport.send)
        self.positions = self.deletions = _NOWHERE

    # ── heartbeat and end ────────────────────────────────────────────────────────────────────

    def beat(self, event: Callable[[tuple[Source, ...]], bytes]) -> None:
        """Send a heartbeat, unless half a frame, a full socket, or bytes that are being rendered to
        be sent next are in the way."""
        if self.closed or self._rest or self.full or self._led:
            return
        data = sse.comment() if self.quiet or self.heartbeat_comments else event(self.rooms)
        try:
            sent = self._transport.send(data)
        except BlockingIOError:
            self.detach()  # the beat is not kept for later
            self._wait_for_room()
            return
        except OSError:
            self.lost()
            return
        if sent < len(data):
            self.detach()
            self._rest = NOTHING.then(data[sent:])
            self._wait_for_room()

    def say_closing(self, reason: str, *, reconnect: bool) -> None:
        """Tell why the hub ends this stream, where the client can still be told, and end it."""
        if self.closed:
            return
        if not self._rest:
            data = self._closing(reason, reconnect=reconnect)
            try:
                self._transport.send(data)
            except OSError:
                pass
        self.close(reason)

    def _closing(self, reason: str, *, reconnect: bool) -> bytes:
        retry_ms = self._keeper.retry_ms()
        if self.quiet:
            return sse.retry(retry_ms)
        return own_events.closing(reason, reconnect, retry_ms)

    @property
    def whole(self) -> bool:
        """Whether a stream that is closed has shown everything, up to its channels' ends."""
        return self._rendering is None or all_ended(self.rooms, self.positions)

    def progress(self) -> Hashable | None:
        return self._transport.progress()

    def give_up(self) -> None:
        """The client accepts nothing any more; it cannot be told."""
        self._transport.break_off()
        self._left("stalled")

    def lost(self) -> None:
        self._left("left")

    def _left(self, reason: str) -> None:
        if self.when_left is not None and not self.closed:
            self.when_left()
        self.close(reason)

    def close(self, reason: str) -> None:
        if self.closed:
            return
        self.closed = True
        self.detach()
        self._rest = NOTHING
        self._transport.close()
        self._keeper.closed(self, reason)
