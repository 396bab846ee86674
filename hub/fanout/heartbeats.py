"""Heartbeats for any number of listeners from one greenlet.

Time is cut into ticks; each listener sits in the slot of its next beat and moves on by its own
period. Where in the first period a listener's first beat falls is drawn by lot, so ten thousand
beats are spread evenly. A closed listener is dropped when its slot comes up, or when more than half
are closed: a listener that leaves at once may have asked for a beat in five minutes.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from random import Random

from hub import own_events
from hub.fanout.listener import Listener, Source
from hub.fanout.loops import Loop

log = logging.getLogger("hub.stream")

TICK_SECONDS = 0.125
_CLOSED = 1000
"""So many closed listeners are not worth looking for."""


class Heartbeats:
    def __init__(self, random: Random, clock: Callable[[], float] = time.monotonic) -> None:
        self._random = random
        self._clock = clock
        self._slots: defaultdict[int, list[Listener]] = defaultdict(list)
        self._now = self._tick()
        self._held = 0
        self._closed = 0

    @property
    def held(self) -> int:
        """How many listeners it knows, the closed ones among them."""
        return self._held

    def closed(self) -> None:
        """One of its listeners has closed."""
        self._closed += 1
        if self._closed > _CLOSED and self._closed * 2 > self._held:
            self._drop_closed()

    def add(self, listener: Listener) -> None:
        self._held += 1
        ticks = round(listener.heartbeat_seconds / TICK_SECONDS)
        self._slots[self._now + self._random.randint(1, ticks)].append(listener)

    def run(self, loop: Loop) -> None:
        while True:
            loop.sleep(TICK_SECONDS)
            self.turn()

    def turn(self) -> None:
        """Beat for every slot whose time has come."""
        until = self._tick()
        while self._now < until:
            self._now += 1
            due = self._slots.pop(self._now, None)
            if due:
                self._held -= len(due)
                self._beat(due, until)

    def _beat(self, due: list[Listener], until: int) -> None:
        events: dict[tuple[Source, ...], bytes] = {}

        def event(rooms: tuple[Source, ...]) -> bytes:
            data = events.get(rooms)
            if data is None:
                data = events[rooms] = own_events.heartbeat(
                    time.time(), {r.channel: r.listeners + r.listeners_elsewhere for r in rooms}
                )
            return data

        for listener in due:
            if listener.closed:
                self._closed = max(0, self._closed - 1)
            else:
                try:
                    listener.beat(event)
                except Exception:  # its own trouble: the others of this slot get their beat
                    log.exception("a listener could not be sent a heartbeat")
                    listener.close("error")
                    continue
                ticks = round(listener.heartbeat_seconds / TICK_SECONDS)
                # A process that was held up is not to make up for the beats that it missed.
                missed = (until - self._now) // ticks
                self._slots[self._now + (missed + 1) * ticks].append(listener)
                self._held += 1

    def _drop_closed(self) -> None:
        for tick, listeners in list(self._slots.items()):
            left = [listener for listener in listeners if not listener.closed]
            if left:
                self._slots[tick] = left
            else:
                del self._slots[tick]
        self._held = sum(map(len, self._slots.values()))
        self._closed = 0

    def _tick(self) -> int:
        return int(self._clock() / TICK_SECONDS)
