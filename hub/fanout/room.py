"""One channel in this process: its head, what it remembers, and the groups that stand there.

The chain of predecessors decides what happens to an announcement: it continues the head and goes to
the groups; or it is known already; or something is missing, and history is read from the head on
(`_sync`) before any listener is sent anything. The same happens whenever the subscription was
confirmed again, because announcements may have been missed meanwhile. Only if history itself has
lost the continuation do the listeners leave the head: each then advances from its own position, and
is told of the loss.

    state     in_step  _syncing  failing   an announcement     leaves it
    waiting   no       no        no        is held             confirmed: reading
    reading   no       yes       no        is held             at the head: current; error: failing
    failing   no       yes       yes       is held             read after a pause: current
    current   yes      no        no        goes to the groups  missing, confirmed, behind: reading

The first reading (`_primed` is not set) takes the state's head alone: nobody stood before it.
"""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable

from gevent.event import Event
from gevent.lock import Semaphore

from hub.backoff import Backoff
from hub.channel import BEFORE_FIRST, order, place
from hub.errors import RedisFailure, RedisRefused, RedisUnavailable
from hub.fanout.channel_kind import ChannelKind, Snapshot
from hub.fanout.group import TURN_BYTES, Group
from hub.fanout.listener import Listener
from hub.fanout.loops import Loop, Loops
from hub.fanout.memory import Memory
from hub.fanout.turns import Turns
from hub.metrics import Counters
from hub.store.announcement import DeletionNotice, parse_announcement
from hub.store.chunk import Chunk
from hub.store.follow import Heard, continues, contradicts, heard
from hub.store.frame import Page
from hub.store.history import History

log = logging.getLogger("hub.room")

_HELD_BYTES = 4 * 2**20
_SNAPSHOT_SECONDS = 0.1
_LARGE_BYTES = 256 * 1024


class Room:
    """`head` is the newest event that this process has; every frame up to it has been handed to
    the groups. `in_step` is set while announcements continue it."""

    def __init__(
        self,
        channel: str,
        history: History,
        kind: ChannelKind | None,
        counters: Counters,
        recent_bytes: Callable[[], int],
        turns: Turns,
        loops: Loops,
    ) -> None:
        self.channel = channel
        self.pubsub_channel = history.link.keys.pubsub(channel)
        self.kind = kind
        self.head = BEFORE_FIRST
        self.end = ""
        self.n = 0
        self.deletions = 0
        self.groups: list[Group] = []
        self.listeners = 0
        self.preparing = 0
        """How many are to become listeners."""
        self.listeners_elsewhere = 0
        self.in_step = Event()
        self.failing = False
        self.refused: RedisRefused | None = None
        """Why it cannot get into step, where that will not pass."""
        self._counters = counters
        self._history = history
        self._turns = turns
        self._loops = loops
        self._memory = Memory(recent_bytes)
        self._reading = Semaphore()
        self._snapshot: Snapshot | None = None
        self._snapshot_at = 0.0
        self._held_snapshot: Callable[[], Snapshot | None] = _no_snapshot
        self._held: list[Chunk | DeletionNotice] = []
        self._held_bytes = 0
        self._primed = False
        self._syncing = False
        self._sync_again = False

    # ── announcements (feed.Subscriber) ──────────────────────────────────────────────────────

    def announced(self, payload: bytes) -> None:
        """The feed gives the groups their turns when it has read what there is."""
        news = parse_announcement(payload)
        if self.in_step.is_set():
            self._take(news)
        elif self._held_bytes < _HELD_BYTES:
            self._held.append(news)
            self._held_bytes += len(payload)
        else:  # history has it; a hole is found when the next one comes
            self._sync_again = True

    def confirmed(self) -> None:
        self.resync()

    def resync(self) -> None:
        """Read from the head on: something may have gone by."""
        self.in_step.clear()
        self._sync_again = True
        if not self._syncing:
            self._syncing = True
            self._loops.start("rooms", self._sync)

    def wait_until_current(self, seconds: float) -> bool:
        """Whether the room is in step, or comes to be. It is waited for as long as its history is
        being read, however busy the process is; for `seconds` where the reading fails.

        The first look is not for speed: gevent's `Event.wait` never returns, whatever its timeout,
        for who comes in the tick in which the event was set and all its waiters have given up.
        """
        while not self.in_step.is_set() and not self.in_step.wait(seconds):
            if self.in_step.is_set():
                return True  # set while this process did not get to its waiters
            if self.failing or not self._syncing:
                return False
        return True

    def behind(self, last: str, deletions: int) -> bool:
        """Whether Redis knows of something that this room should have heard by now."""
        return last != self.head or deletions != self.deletions

    def _take(self, news: Chunk | DeletionNotice) -> None:
        if isinstance(news, Chunk) and news.prev == self.head:
            self._accept(news)  # `Heard.CONTINUES`, for every delta there is
            return
        answer = heard(news, self.head, self.deletions)
        if answer is Heard.DELETED:
            self._deleted(self.deletions + 1)
        elif answer is Heard.MISSING:
            if isinstance(news, Chunk):  # a deletion is in the state that will be read
                self._counters.repairs += 1
                self._held.append(news)
            self.resync()

    def _accept(self, chunk: Chunk) -> None:
        self.head = chunk.last
        self.n = chunk.n
        if chunk.ends:
            self.end = chunk.last
        self._memory.add(chunk)
        for group in self.groups:
            group.news(self, chunk)

    def _deleted(self, deletions: int) -> None:
        if deletions != self.deletions:
            moved = self._clear_out()
            self.deletions = deletions
            for listener in moved:
                self._turns.later(listener.advance)

    def _clear_out(self) -> list[Listener]:
        """Everybody leaves the head, with the place reached so far; what is remembered is void."""
        moved = [listener for group in list(self.groups) for listener in group.members]
        for listener in moved:
            listener.detach()
        self._memory.void()
        self._snapshot, self._held_snapshot = None, _no_snapshot
        return moved

    # ── getting into step with history ───────────────────────────────────────────────────────

    def _sync(self, loop: Loop) -> None:
        """Until announcements continue the head. Begun again in the middle, it goes on."""
        backoff = Backoff(0.05, 1.0)
        while self._sync_again or not self.in_step.is_set():
            self._sync_again = False
            known = len(self._held)
            try:
                self._read_to_the_head(loop)
            except Exception as error:  # whatever it was: a room that gave up would be silent
                self.failing = True
                self.refused = error if isinstance(error, RedisRefused) else None
                if not isinstance(error, RedisFailure):
                    log.exception("%s could not be read", self.channel)
                self._sync_again = True
                loop.sleep(backoff.take())
                continue
            self.failing, self.refused = False, None
            # What was announced before the reading, it has brought; or Redis has lost it in a
            # failover, and will never have it, however often it is asked.
            held, self._held, self._held_bytes = self._held[known:], [], 0
            if not self._sync_again:
                self.in_step.set()
            for news in held:
                self._take(news)
            self._turns.wake()
        self._syncing = False

    def _read_to_the_head(self, loop: Loop) -> None:
        if not self._primed:
            state = self._history.state(self.channel)
            self.head, self.n, self.end = state.head, state.n, state.end
            self.deletions = state.deletions
            self._primed = True
            return
        while True:
            loop.progress()
            page = self._history.read(self.channel, self.head)
            self._deleted(page.state.deletions)
            if not continues(page):
                moved = self._clear_out()
                self.head, self.n, self.end = page.state.head, page.state.n, page.state.end
                for listener in moved:
                    self._turns.later(listener.advance)
                return
            if not page.frames:
                self.end = page.state.end
                return
            self._accept(Chunk.of(page.frames, page.state.end))
            self._turns.wake()

    # ── frames for those who are behind ──────────────────────────────────────────────────────

    def after(self, position: str, size: int = TURN_BYTES) -> list[Chunk] | None:
        """About `size` bytes of frames behind `position`, which is not the head, or None: they are
        not in memory."""
        return self._memory.after(position, size)

    def count_after(self, position: str) -> int | None:
        """How many events lie between `position` and the head, where memory can prove that none
        of them is missing."""
        if position == self.head:
            return 0
        n = self._memory.count_to(position)
        return None if n is None else self.n - n

    def read(self, position: str) -> Page:
        """The page of history behind `position`; what of it lies up to the head is remembered, so
        that a thousand who come from there cost one reading. Raises `RedisUnavailable`."""
        with self._reading:
            voided = self._memory.voided
            page = self._history.read(self.channel, position)
            head = place(self.head)
            frames = [f for f in page.frames if (order(f.id) or head) <= head]
            self._memory.add_page(frames, page.state.end, voided)
        if contradicts(page, self.head):
            # Nothing that is remembered here may be sent, though it may begin at the same place.
            self.resync()
            if not self.wait_until_current(1.0):
                raise RedisUnavailable("the channel is out of step")
        return page

    def read_for(self, position: str) -> Page | None:
        """`read`, unless somebody else's reading has brought it meanwhile (then None)."""
        self._reading.acquire()
        self._reading.release()
        return None if self.after(position) else self.read(position)

    def snapshot(self, least: str = BEFORE_FIRST) -> Snapshot | None:
        """The kind's snapshot. Those who come within a moment share one reading; and a large one
        that somebody still has to send is everybody's for as long as memory has what follows it.
        Unless it does not reach as far as `least`: then it would leave a hole or take something
        back."""
        assert self.kind is not None
        with self._reading:
            taken, held = self._snapshot, self._held_snapshot()
            if (
                taken is not None
                and time.monotonic() - self._snapshot_at <= _SNAPSHOT_SECONDS
                and place(taken.position) >= place(least)
            ):
                return taken
            if held is not None and place(held.position) >= place(least) and self._continues(held):
                return held
            self._snapshot_at = time.monotonic()
            taken = self._snapshot = self.kind.snapshot(self.channel)
            if taken is not None and taken.frame and len(taken.frame.data) >= _LARGE_BYTES:
                self._held_snapshot = weakref.ref(taken)
            return taken

    def _continues(self, snapshot: Snapshot) -> bool:
        """Whether what follows it is here, and it is of the edition that a new one would be of.
        Raises `RedisUnavailable`."""
        assert self.kind is not None
        whole = snapshot.terminal is not None or self.count_after(snapshot.position) is not None
        return whole and self.kind.edition(self.channel) == snapshot.edition

    def forget_what_is_over(self) -> None:
        self._snapshot = None
        self._memory.forget_what_is_over()


def _no_snapshot() -> Snapshot | None:
    return None
