"""Everything that delivers in one web process, joined: rooms, feed, turns, wheel, presence.

`Delivery` opens rooms, lets listeners in, reads history for those who are behind, closes those who
take nothing, and ends all streams at shutdown. Its `loops`, begun by `start` (the feed's with its
first subscription):

    feed        hears the announcements (`feed_connection`)
    turns       gives groups with news, and listeners that were led a while, their turns
    heartbeats
    presence    counts over all processes: changes, and everything again and again
    catch-up    a few readers of history for listeners that are behind
    endings     ends the streams whose token has ended
    stalled     closes listeners that accept nothing any more
    tidy        forgets pages, old frames and empty rooms, writes the figures

and those that others have put into `loops_beside` before.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random, SystemRandom

import gevent

from hub.errors import RedisUnavailable
from hub.fanout.catch_up import LOOPS, CatchUp
from hub.fanout.channel_kind import ChannelKind
from hub.fanout.endings import Endings
from hub.fanout.feed import Feed
from hub.fanout.group import Group
from hub.fanout.heartbeats import Heartbeats
from hub.fanout.listener import Listener, Source, State
from hub.fanout.longest_step import LongestStep
from hub.fanout.loops import Loop, Loops
from hub.fanout.presence import Presence
from hub.fanout.rendering import Rendering
from hub.fanout.room import Room
from hub.fanout.spare_memory import SpareMemory
from hub.fanout.stalls import LOOKS, Stalls
from hub.fanout.turns import Turns
from hub.metrics import SCOREBOARD, Counters, Figures, Scoreboard, resident_bytes
from hub.past import Past
from hub.process import end_in_children
from hub.settings import Settings
from hub.store.history import History

log = logging.getLogger("hub.stream")

BARRIER_SECONDS = 2.0
LINGER_SECONDS = 30.0
_TIDY_SECONDS = 1.0
_A_TURN_SECONDS = 0.001
_SLICE = 256
_LEAST_RECENT_BYTES = 4096


class Delivery:
    def __init__(
        self,
        history: History,
        settings: Settings,
        kinds: Sequence[ChannelKind] = (),
        random: Random | None = None,
    ) -> None:
        self.history = history
        self.settings = settings
        self.counters = Counters()
        self._scoreboard = Scoreboard(os.environ.get(SCOREBOARD))
        self.past = Past()
        self.random = random or SystemRandom()  # a copy of a seed would draw the same
        self.listeners: set[Listener] = set()
        self.per_address: dict[str, int] = {}
        self.draining = False
        self.arriving = 0
        self.figures_beside: list[Callable[[], Figures]] = []
        self.loops_beside: dict[str, Callable[[Loop], None]] = {}
        self._kinds = kinds
        self._rooms: dict[str, Room] = {}
        self._unused_since: dict[str, float] = {}
        self.in_its_loop: Callable[[Callable[[], None]], None] = lambda function: function()
        """Calls a function in the loop that this lives in, which may be another thread's."""
        self._turns = Turns()
        self._stalls = Stalls()
        self._catch_up = CatchUp(self._rooms, self.counters)
        self._heartbeats = Heartbeats(self.random)
        self.endings = Endings()
        self._presence = Presence(history, self._rooms, settings.heartbeat_seconds)
        self.loops = Loops()
        self._longest_step = LongestStep()
        self._spare_memory = SpareMemory()
        self._started = False
        self.feed = Feed(history.link, self._turns, self.loops)

    def start(self) -> None:
        """Start the greenlets of this process; calling it again does nothing."""
        if self._started:
            return
        self._started = True
        end_in_children(self)
        self._longest_step.start()
        for name, body in (
            ("turns", self._turns.run),
            ("heartbeats", self._heartbeats.run),
            ("presence", self._presence.write_changes),
            ("presence", self._presence.renew_all),
            ("endings", self.endings.run),
            ("stalled", self._close_stalled),
            ("tidy", self._tidy),
            *[("catch-up", self._catch_up.run)] * LOOPS,
            *self.loops_beside.items(),
        ):
            self.loops.start(name, body)

    def abandon(self) -> None:
        """This is a child's copy: the listeners are the parent's, and counted there."""
        self.loops.stop(block=False)

    def stop(self) -> None:
        self._longest_step.stop()
        self.feed.stop()
        self.loops.stop()

    # ── rooms ────────────────────────────────────────────────────────────────────────────────

    def kind_of(self, channel: str) -> ChannelKind | None:
        return next((kind for kind in self._kinds if channel.startswith(kind.prefix)), None)

    def room(self, channel: str) -> Room:
        """The channel's room, opened if need be. Of two who come at once, the second one gets the
        first one's: a room whose subscription went to another would hear nothing for ever."""
        room = self._rooms.get(channel)
        if room is None:
            room = Room(
                channel,
                self.history,
                self.kind_of(channel),
                self.counters,
                self._recent_bytes,
                self._turns,
                self.loops,
            )
            self._rooms[channel] = room
            self.feed.subscribe(room.pubsub_channel, room)
        if not room.listeners:
            self._unused_since[channel] = time.monotonic()
        return room

    @contextmanager
    def held(self, channels: Sequence[str]) -> Iterator[tuple[Room, ...]]:
        """The channels' rooms, which stay however long it takes to prepare a listener for them: one
        of a room that was given up would hear nothing."""
        rooms = tuple([self.room(channel) for channel in channels])
        for room in rooms:
            room.preparing += 1
        try:
            yield rooms
        finally:
            for room in rooms:
                room.preparing -= 1
                if not room.listeners:
                    self._unused_since[room.channel] = time.monotonic()

    def is_open(self, channel: str) -> bool:
        """Whether this process hears the channel, or is about to."""
        return channel in self._rooms

    def wait_until_heard(self, channel: str, count: int) -> None:
        """Return when this process has heard what was announced on an open channel before now.
        `count` requests wait for it. Raises `RedisFailure` where Redis does not answer for a
        while."""
        self.arriving += count
        try:
            self.feed.barrier(self.room(channel).pubsub_channel, BARRIER_SECONDS)
        finally:
            self.arriving -= count

    def wait_until_current(self, rooms: Sequence[Room]) -> None:
        """Return when each room knows everything that was published before now. That takes as long
        as this process needs; raises `RedisFailure` where Redis does not answer for a while."""
        self.arriving += 1
        try:
            for room in rooms:
                self.feed.barrier(room.pubsub_channel, BARRIER_SECONDS)
            for room in rooms:
                if not room.wait_until_current(BARRIER_SECONDS):
                    raise room.refused or RedisUnavailable("the channel's history cannot be read")
        finally:
            self.arriving -= 1

    def listeners_of(self, channel: str) -> int:
        """The listeners of a channel in this process."""
        room = self._rooms.get(channel)
        return room.listeners if room else 0

    def count(self, channel: str) -> int:
        """The listeners of a channel in all processes. Raises `RedisUnavailable`."""
        return self.counts([channel])[0]

    def counts(self, channels: Sequence[str]) -> list[int]:
        """`count` of many channels, in one round trip per Redis node."""
        here = {name: self.listeners_of(name) for name in channels}
        others = self._presence.elsewhere(here)
        sums = {name: here[name] + other for name, other in zip(here, others, strict=True)}
        return [sums[name] for name in channels]

    def figures(self) -> Figures:
        """This process's figures for `/metrics`."""
        found = {
            **self.counters.figures(),
            "listeners": len(self.listeners),
            "arriving": self.arriving,
            "behind": sum(listener.state is not State.AT_HEAD for listener in self.listeners),
            "redis_reconnects": self.feed.reconnects,
            **self.loops.figures(),
            **self._longest_step.figures(),
            "memory_bytes": resident_bytes(),
        }
        for beside in self.figures_beside:
            found |= beside()
        return found

    def total_figures(self) -> Figures:
        """The figures of all processes of this gunicorn."""
        return self._scoreboard.total(self.figures())

    def figures_by_process(self) -> dict[int, Figures]:
        """The same, each process by itself."""
        return self._scoreboard.each(self.figures())

    def _rooms_of(self, listener: Listener) -> list[Room]:
        return [self._rooms[source.channel] for source in listener.rooms]

    def _recent_bytes(self) -> int:
        """How much a room may remember: its own share of what all may."""
        share = self.settings.recent_total_bytes // max(1, len(self._rooms))
        return min(self.settings.recent_bytes, max(_LEAST_RECENT_BYTES, share))

    # ── listeners ────────────────────────────────────────────────────────────────────────────

    def full(self, address: str) -> bool:
        limit = self.settings.max_listeners_per_address
        return len(self.listeners) >= self.settings.max_listeners or (
            0 < limit <= self.per_address.get(address, 0)
        )

    def opened(self, listener: Listener) -> None:
        self.listeners.add(listener)
        self._spare_memory.moved()
        if self.settings.max_listeners_per_address:
            self.per_address[listener.address] = self.per_address.get(listener.address, 0) + 1
        for room in self._rooms_of(listener):
            room.listeners += 1
            self._unused_since.pop(room.channel, None)
            self._presence.changed(room)
        self._heartbeats.add(listener)
        self.endings.add(listener)

    def closed(self, listener: Listener, reason: str) -> None:
        self.listeners.discard(listener)
        self._spare_memory.moved()
        self._catch_up.forget(listener)
        self._stalls.forget(listener)
        self._heartbeats.closed()
        self.endings.remove(listener)
        if listener.address in self.per_address:
            self.per_address[listener.address] -= 1
            if not self.per_address[listener.address]:
                del self.per_address[listener.address]
        for room in self._rooms_of(listener):
            room.listeners -= 1
            if not room.listeners:
                self._unused_since[room.channel] = time.monotonic()
            self._presence.changed(room)
        log.info(
            "stream ends channels=%s address=%s seconds=%.1f events=%d bytes=%d reason=%s",
            ",".join(room.channel for room in listener.rooms),
            listener.address,
            time.monotonic() - listener.opened,
            listener.events,
            listener.bytes,
            reason,
            extra={"trace": listener.trace},
        )

    def place_at(
        self, sources: tuple[Source, ...], rendering: Rendering, positions: list[str]
    ) -> Group:
        """The group that stands at `positions`, which are the rooms' heads."""
        rooms = tuple([self._rooms[source.channel] for source in sources])
        for group in rooms[0].groups:
            if (
                group.rooms == rooms
                and group.positions == positions
                and group.standing == rendering
            ):
                return group
        group = Group(rooms, rendering, list(positions), self._turns, self.counters)
        for room in rooms:
            room.groups.append(group)
        return group

    def later(self, step: Callable[[], None]) -> None:
        """Let others go first."""
        self._turns.later(step)

    def fetch(self, listener: Listener, index: int) -> None:
        self._catch_up.fetch(listener, index)

    def close_all(self, reason: str, over_seconds: float) -> None:
        """Tell every stream that it ends, and end them spread over the time given."""
        self.draining = True
        listeners = list(self.listeners)
        self.random.shuffle(listeners)
        began = time.monotonic()
        for number, listener in enumerate(listeners):
            ahead = began + over_seconds * number / len(listeners) - time.monotonic()
            if ahead > 0.005:
                gevent.sleep(ahead)
            listener.say_closing(reason, reconnect=True)

    def retry_ms(self) -> int:
        """A reconnection time of a listener's own, so that they do not come back in one instant."""
        return int(self.settings.retry_ms * self.random.uniform(0.5, 2.0)) + 1

    # ── greenlets ────────────────────────────────────────────────────────────────────────────

    def _close_stalled(self, loop: Loop) -> None:
        while True:
            loop.sleep(self.settings.stall_seconds / LOOKS)
            for number, listener in enumerate(list(self.listeners)):
                # Before the first, too: a process that got no processor would take its own pause
                # for that of its listeners.
                if number % _SLICE == 0:
                    loop.sleep(_A_TURN_SECONDS)
                if not listener.closed and self._stalls.look(listener):
                    self.counters.stalled += 1
                    listener.give_up()

    def _tidy(self, loop: Loop) -> None:
        while True:
            loop.sleep(_TIDY_SECONDS)
            now = time.monotonic()
            self._scoreboard.write(self.figures())
            if self.past.due():
                self.past.add(self.total_figures())
            self._spare_memory.look()
            for room in self._rooms.values():
                room.forget_what_is_over()
            for channel, since in list(self._unused_since.items()):
                if now - since > LINGER_SECONDS and not self._rooms[channel].preparing:
                    del self._unused_since[channel]
                    room = self._rooms.pop(channel)
                    self.feed.unsubscribe(room.pubsub_channel)
