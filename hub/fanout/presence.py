"""How many listen to a channel, over all processes.

Each process writes its own count into the channel's presence hash, with a deadline, and renews it
four times a period; a process that died is gone when its deadline has passed. Every renewal brings
the others' counts back, so a heartbeat needs no question to Redis. A renewal also returns the
channel's last id: a room that has missed something, or whose Redis was emptied, learns of it here
at the latest.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from itertools import islice

from gevent.event import Event

from hub.errors import RedisFailure
from hub.fanout.loops import Loop
from hub.fanout.room import Room
from hub.process import PerProcess, fresh_name
from hub.store.history import History

log = logging.getLogger("hub.presence")

SETTLE_SECONDS = 0.1
"""How long changes gather before they are written: a storm of arrivals is one write a channel."""

_AT_ONCE = 100
"""Channels in one round trip."""


class Presence:
    def __init__(self, history: History, rooms: Mapping[str, Room], period_seconds: float) -> None:
        self._history = history
        self._rooms = rooms
        # A dead process is gone from the others' counts one lapse and one renewal after its last
        # word: together less than a period. A renewal may be late by almost half a period.
        self._renewal_seconds = period_seconds / 4
        self._lapse_ms = int(period_seconds * 1000 * 0.7)
        self._name = PerProcess(fresh_name)
        self._changed: set[Room] = set()
        self._wake = Event()

    def changed(self, room: Room) -> None:
        self._changed.add(room)
        self._wake.set()

    def elsewhere(self, here: Mapping[str, int]) -> list[int]:
        """The other processes' listeners of these channels, asked now. `here`: how many this one
        has, for asking is telling."""
        answers = self._history.present(self._name.get(), here, self._lapse_ms)
        return [count for count, _, _ in answers]

    def write_changes(self, loop: Loop) -> None:
        """Write changes soon after they happen. What a reply was lost of is renewed with all."""
        while True:
            loop.wait(self._wake)
            loop.sleep(SETTLE_SECONDS)
            self._wake.clear()
            changed, self._changed = self._changed, set()
            self._write(changed, loop)

    def renew_all(self, loop: Loop) -> None:
        """Write everything four times a period."""
        while True:
            loop.sleep(self._renewal_seconds)
            self._write([room for room in self._rooms.values() if room.listeners], loop)

    def _write(self, rooms: Collection[Room], loop: Loop) -> None:
        left = iter(rooms)
        while some := list(islice(left, _AT_ONCE)):
            loop.progress()
            try:
                self._renew(some)
            except RedisFailure as error:
                log.warning("presence not written: %s", error.detail)
                return

    def _renew(self, rooms: list[Room]) -> None:
        heads = [room.head for room in rooms]
        counts = {room.channel: room.listeners for room in rooms}
        answers = self._history.present(self._name.get(), counts, self._lapse_ms)
        for room, head, (others, last, deletions) in zip(rooms, heads, answers, strict=True):
            room.listeners_elsewhere = others
            if head == room.head and room.in_step.is_set() and room.behind(last, deletions):
                room.resync()
