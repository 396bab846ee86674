"""History for listeners that are behind and find no more in memory.

A few greenlets read for all of them, one page at a time for each listener. What they bring, the
room remembers, so a thousand listeners that come from one place cost one reading. Here, and only
here, a listener learns that something is lost: by a snapshot where its channel's kind has one, by
`gap` where not (contract §2).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from gevent.queue import SimpleQueue

from hub import own_events
from hub.errors import RedisFailure, RedisUnavailable
from hub.fanout.listener import Listener
from hub.fanout.loops import Loop
from hub.fanout.room import Room
from hub.metrics import Counters
from hub.store import follow

log = logging.getLogger("hub.stream")

LOOPS = 8
_PAUSE_SECONDS = 0.2


class CatchUp:
    def __init__(self, rooms: Mapping[str, Room], counters: Counters) -> None:
        self._rooms = rooms
        self._counters = counters
        self._wanted: SimpleQueue[tuple[Listener, int]] = SimpleQueue()
        self._fetching: set[Listener] = set()

    def fetch(self, listener: Listener, index: int) -> None:
        """Bring what comes after the listener's position in one of its channels, then lead it.
        One page at a time: of two, the later one would be told from where the listener was."""
        if listener not in self._fetching:
            self._fetching.add(listener)
            self._wanted.put((listener, index))

    def forget(self, listener: Listener) -> None:
        self._fetching.discard(listener)

    def run(self, loop: Loop) -> None:
        """Serve one listener after the other; several loops do."""
        while True:
            with loop.idle():
                listener, index = self._wanted.get()
            try:
                if self._bring(listener, index):
                    self._fetching.discard(listener)
                    listener.advance()
                else:
                    self._wanted.put((listener, index))
            except RedisFailure:
                self._wanted.put((listener, index))
                loop.sleep(_PAUSE_SECONDS)
            except Exception:
                log.exception("a listener could not be led on")
                listener.close("error")
            except BaseException:  # killed: another one leads it on
                self._wanted.put((listener, index))
                raise

    def _bring(self, listener: Listener, index: int) -> bool:
        """False: the room must become current first, and then it is to be done again."""
        if not listener.behind():
            return True
        room = self._rooms[listener.rooms[index].channel]
        if not room.wait_until_current(1.0):
            raise RedisUnavailable("the channel's history cannot be read")
        if not listener.behind():
            return True  # it left, or reached the head, while the room was waited for
        position, deletions = listener.positions[index], listener.deletions[index]
        if position == room.head and deletions == room.deletions:
            return True  # another listener's page has brought it to the head
        deleted = deletions != room.deletions
        page = room.read(position) if deleted else room.read_for(position)
        if page is None or not self._stands(listener, index, position):
            return True  # the page was there already, or the listener has gone on without it
        found = follow.found(page, deletions)
        if follow.shorter(page, room.head) or (found.lost is None and not page.frames):
            room.resync()  # Redis was emptied, or has more than the room heard of
            return False
        if found.lost is None:
            return True
        snapshot = room.snapshot(found.at) if room.kind is not None else None
        before = list(listener.positions)
        made = listener.render_snapshot(index, snapshot) if snapshot is not None else None
        if not self._stands(listener, index, position) or listener.positions != before:
            return True  # the snapshot took a while, and meanwhile the listener moved
        listener.deletions[index] = room.deletions
        if snapshot is None or snapshot.frame is None:
            self._tell_loss(listener, room, position, found.lost)
        if made is not None:
            listener.insert_snapshot(made)
        else:
            listener.positions[index] = found.at
            if room.kind is not None:
                listener.end_after("gone")
        return True

    @staticmethod
    def _stands(listener: Listener, index: int, position: str) -> bool:
        """False: it has gone, or was led on from memory, while history was read."""
        return listener.behind() and listener.positions[index] == position

    def _tell_loss(self, listener: Listener, room: Room, after: str, reason: str) -> None:
        self._counters.gaps += 1
        if not listener.quiet:
            listener.insert(own_events.gap(room.channel, after, reason))
