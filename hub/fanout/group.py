"""Listeners that stand at one place and get the same bytes, and the turns in which they get them.

A group holds every listener at the head of the same channels with the same rendering. What arrives
is rendered once and written to each with one non-blocking `send`. A listener that takes less than
all of it leaves the group and is *behind*.

A turn over many listeners is cut into slices, and the groups that have something to do take slices
in rotation (`turns`), so that neither another channel nor a new request waits for ten thousand
sends. What arrives meanwhile waits in the group's inbox and leaves in one piece with the next turn:
under load batches grow by themselves.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol

from hub.fanout.listener import Listener, Source, all_ended
from hub.fanout.rendering import Item, Rendering
from hub.fanout.turns import Turns
from hub.metrics import Counters
from hub.store.chunk import Chunk

TURN_BYTES = 256 * 1024
"""About how much one `send` carries at most: what does not fit a socket's buffer comes back."""

log = logging.getLogger("hub.stream")

_SLICE = 64


class Ground(Source, Protocol):
    """A channel with the groups that stand on it (`room.Room`, which imports this module)."""

    groups: list[Group]


class Group:
    """`positions` is where the members stand, but for those whom a turn that is under way has not
    come to yet: they stand where the turn began."""

    __slots__ = (
        "_counters",
        "_data",
        "_inbox",
        "_items",
        "_next_wire",
        "_positions_before",
        "_scheduled",
        "_turn",
        "_turn_at",
        "_turn_events",
        "_turn_index",
        "_turn_listeners",
        "_turns",
        "bytes",
        "events",
        "members",
        "positions",
        "rendering",
        "rooms",
    )

    def __init__(
        self,
        rooms: tuple[Ground, ...],
        rendering: Rendering,
        positions: list[str],
        turns: Turns,
        counters: Counters,
    ) -> None:
        self.rooms = rooms
        self.rendering: Rendering = rendering
        self.positions = positions
        self.members: dict[Listener, Callable[[bytes], int]] = {}
        self._turns = turns
        self._counters = counters
        self._inbox: deque[Item] = deque()
        self._items: list[Item] = []
        self._positions_before = positions
        self._data = b""
        self._next_wire: Rendering | None = rendering
        self._scheduled = False
        # Two lists: a turn that goes well touches no listener, only its `send`.
        self._turn: list[Callable[[bytes], int] | None] = []
        self._turn_listeners: list[Listener] = []
        self._turn_at = 0
        self._turn_index: dict[Listener, int] = {}
        self._turn_events = 0
        self.events = 0
        self.bytes = 0

    @property
    def idle(self) -> bool:
        return not self._inbox and not self._turn

    @property
    def standing(self) -> Rendering | None:
        """The rendering with which `members` go on."""
        return self._next_wire

    def join(self, listener: Listener, send: Callable[[bytes], int]) -> None:
        # What a listener got is the difference of the group's sums: no counting per delivery.
        listener.events -= self.events
        listener.bytes -= self.bytes
        self.members[listener] = send

    def leave(self, listener: Listener) -> tuple[list[str], Rendering | None]:
        """Take a listener out: its positions and its rendering."""
        listener.events += self.events
        listener.bytes += self.bytes
        del self.members[listener]
        if self._turn and self._take_from_turn(listener):
            listener.events -= self._turn_events
            listener.bytes -= len(self._data)
            return list(self._positions_before), self.rendering
        return list(self.positions), self._next_wire

    def _take_from_turn(self, listener: Listener) -> bool:
        """Whether the turn under way had not come to it yet; now it will not."""
        if not self._turn_index:  # once for all who leave during one turn
            self._turn_index = {each: at for at, each in enumerate(self._turn_listeners)}
        at = self._turn_index.get(listener, -1)
        if at < self._turn_at:
            return False
        self._turn[at] = None
        return True

    def dissolve(self) -> None:
        """Nobody is left: the rooms forget this group, and what is in its inbox was for nobody."""
        self._inbox.clear()
        for room in self.rooms:
            room.groups.remove(self)

    def news(self, room: Ground, chunk: Chunk) -> None:
        self._inbox.append((self.rooms.index(room) if len(self.rooms) > 1 else 0, chunk))
        if not self._scheduled:
            self._scheduled = True
            self._turns.add(self.take_turn)

    def take_turn(self) -> bool:
        """Serve a slice; True when there is more to do."""
        try:
            return self._step()
        except Exception:  # this group's own trouble: the others get their turns
            log.exception("%r cannot be served", self)
            for listener in list(self.members):
                listener.close("error")
            return False

    def _step(self) -> bool:
        if not self._turn and not self._begin():
            self._scheduled = False
            return False
        self._serve()
        if self._turn or self._inbox:
            return True
        self._scheduled = False
        if len(self.rooms[0].groups) > 1 and self.members:
            self._merge()
        return False

    def _merge(self) -> None:
        """Take over the groups that have come to stand at the same place, rendered alike."""
        for other in list(self.rooms[0].groups):
            if (
                other is not self
                and other.idle
                and self.idle
                and other.rooms == self.rooms
                and other.positions == self.positions
                and other.standing == self.standing
            ):
                for listener, send in other.members.items():
                    listener.events += other.events
                    listener.bytes += other.bytes
                    listener.group = self
                    self.join(listener, send)
                other.members = {}
                other.dissolve()

    def _begin(self) -> bool:
        if not self._inbox:
            return False
        items, size = [], 0
        while self._inbox and size < TURN_BYTES:
            item = self._inbox.popleft()
            items.append(item)
            size += len(item[1].data)
        if self._next_wire is not None:
            self.rendering = self._next_wire
        self._items = items
        self._positions_before, positions = self.positions, list(self.positions)
        # Others run while what is large is rendered. A listener that leaves meanwhile has had
        # nothing of it, and nobody joins: one that stands behind it makes a group of its own.
        self._next_wire = None
        self._turn = list(self.members.values())
        self._turn_listeners = list(self.members)
        self._turn_at = self._turn_events = 0
        self._data = b""
        try:
            self._data, self._next_wire = self.rendering.render(items, positions)
        except BaseException:  # killed: it is all to be done again
            self._inbox.extendleft(reversed(items))
            self._next_wire = self.rendering
            self._end_turn()
            raise
        self.positions = positions
        events = sum(chunk.count for _, chunk in items)
        self.events += events
        self.bytes += len(self._data)
        self._turn_events = events
        self._counters.served(len(self._turn), events, items[0][1].published_us)
        if self._data or self._next_wire is None:
            return True
        self._end_turn()
        return bool(self._inbox) and self._begin()  # the dialect has nothing to say of it

    def _serve(self) -> None:
        data, size, turn = self._data, len(self._data), self._turn
        last = self._next_wire is None or all_ended(self.rooms, self.positions)
        begin = self._turn_at
        self._turn_at = end = min(begin + _SLICE, len(turn))
        # Nothing in this loop lets another greenlet run: who is in the slice stays in it.
        for at in range(begin, end):
            send = turn[at]
            if send is None:  # left between two slices
                continue
            try:
                sent = send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._turn_listeners[at].lost()
                continue
            if sent != size or last:
                self._let_go(self._turn_listeners[at], sent)
        if end == len(turn):
            self._end_turn()

    def _end_turn(self) -> None:
        self._turn = []
        self._turn_listeners = []
        self._turn_index = {}

    def _let_go(self, listener: Listener, sent: int) -> None:
        del self.members[listener]
        listener.events += self.events - self._turn_events
        listener.bytes += self.bytes - len(self._data)
        rendered = self._data, self._next_wire
        listener.fell_behind(self.rendering, self._items, self._positions_before, sent, rendered)

    def __repr__(self) -> str:
        names = [room.channel for room in self.rooms]
        return f"<Group {names} {self.positions} {len(self.members)}>"
