"""One channel's events for a program: a blocking iterator that misses nothing.

History is the truth and the subscription a wake-up that happens to bring the frames along: where an
announcement continues the position it is taken as it is, else history is read from the position.
So nothing depends on the subscription being alive. When it has been silent for a while history is
asked anyway, and one that kept silent about news is replaced.

Works in plain threads and under gevent. It holds one Redis connection of its own; a web process
with many listeners has `hub.delivery` for that.
"""

from __future__ import annotations

import logging
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from redis.exceptions import TimeoutError as RedisTimeoutError

from hub import own_events, sse
from hub.backoff import Backoff
from hub.channel import BEFORE_FIRST
from hub.errors import RedisFailure, RedisUnavailable
from hub.store.announcement import DeletionNotice, parse_announcement
from hub.store.chunk import Chunk
from hub.store.follow import Heard, found, heard
from hub.store.frame import Frame, Page, StoredEvent
from hub.store.history import History
from hub.store.redis_link import CLIENT_ERRORS, RedisLink

log = logging.getLogger("hub.subscription")

SILENCE_SECONDS = 5.0
"""After so long without an announcement history is asked."""

_CONFIRM_SECONDS = 3.0
_LONGEST_PAUSE_SECONDS = 2.0


class Subscription:
    """The events of `channel` after the id `after` (None: from now on, which is this moment).

    Iterating blocks until there is an event, and ends when the channel has ended or `close` was
    called, which any thread may do. While Redis is away it waits. Where history does not reach back
    to the position, an event of the hub's own type `gap` says so (its data is that of the contract,
    §2) and what is retained follows. An event's `id` is what `after` takes.

    Raises `RedisUnavailable` only when Redis cannot be reached in the beginning.
    """

    def __init__(self, history: History, channel: str, after: str | None = None) -> None:
        self.channel = channel
        self._history = history
        self._pubsub_channel = history.link.keys.pubsub(channel)
        self._ready: deque[StoredEvent] = deque()
        self._announcements: _Announcements | None = None
        self._closed = False
        self._behind = False
        self._backoff = Backoff(0.05, _LONGEST_PAUSE_SECONDS)
        self._begin(after)

    @property
    def position(self) -> str:
        """The id to come back with: that of the event that was returned last."""
        return self._ready[0].prev if self._ready else self._position

    def __iter__(self) -> Iterator[StoredEvent]:
        return self

    def __next__(self) -> StoredEvent:
        event = self.next()
        if event is None:
            raise StopIteration
        return event

    def next(self, timeout_seconds: float | None = None) -> StoredEvent | None:
        """The next event; None when there is none in time, or no more at all (`over`)."""
        give_up = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while not self._ready and not self.over:
            left = SILENCE_SECONDS if give_up is None else give_up - time.monotonic()
            if left <= 0:
                return None
            self._advance(min(left, SILENCE_SECONDS))
        return self._ready.popleft() if self._ready and not self._closed else None

    @property
    def over(self) -> bool:
        """Whether nothing more will come: the channel has ended, or this was closed."""
        return self._closed or (self._ended and not self._ready)

    def close(self) -> None:
        """Stop; a `next` that is waiting elsewhere returns."""
        self._closed = True
        announcements = self._announcements
        if announcements is not None:
            announcements.wake()

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._drop()

    # ── where it stands ──────────────────────────────────────────────────────────────────────

    def _begin(self, after: str | None) -> None:
        if after is None:
            state = self._history.state(self.channel)
            self._position, self._deletions = state.head, state.deletions
            self._ended = bool(state.end)
            return
        page = self._history.read(self.channel, after)
        self._position = page.position or after
        self._deletions = page.state.deletions
        self._arrived(page)

    def _read(self) -> bool:
        """Read what history has after the position; whether there was anything new."""
        return self._arrived(self._history.read(self.channel, self._position))

    def _arrived(self, page: Page) -> bool:
        what = found(page, self._deletions)
        self._deletions = page.state.deletions
        if what.lost is not None:
            self._lost(what.lost, what.at)
        self._take(what.frames)
        self._behind, self._ended = what.more, what.ended
        return what.lost is not None or bool(what.frames)

    def _lost(self, reason: str, at: str) -> None:
        after = self._position or BEFORE_FIRST
        self._position = at
        frame = own_events.gap(self.channel, after, reason)
        data = sse.decode(frame).data
        self._ready.append(StoredEvent(self._position, "gap", data, after, frame))

    def _take(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            self._ready.append(StoredEvent.of(frame))
            self._position = frame.id

    # ── what wakes it ────────────────────────────────────────────────────────────────────────

    def _advance(self, wait_seconds: float) -> None:
        """One step: get into step with history, or wait for an announcement."""
        try:
            if self._announcements is None:
                # The confirmation comes before the reading: what is published from now on is
                # announced, what was published before is read.
                self._announcements = _Announcements(self._history.link, self._pubsub_channel)
                self._read()
                self._backoff.reset()
            elif self._behind:
                self._read()
            else:
                self._hear(self._announcements, wait_seconds)
        except RedisFailure as error:
            self._drop()
            if self._closed:
                return
            if not self._backoff.begun:
                log.warning("%s: waiting for Redis: %s", self.channel, error.detail)
            time.sleep(min(self._backoff.take(), wait_seconds))

    def _hear(self, announcements: _Announcements, wait_seconds: float) -> None:
        news = announcements.next(wait_seconds)
        if self._closed:
            return
        if news is None:
            if announcements.silent and self._read():
                self._drop()  # it said nothing of these
            return
        answer = heard(news, self._position, self._deletions)
        if answer is Heard.CONTINUES and isinstance(news, Chunk):
            self._take(news.frames())
            self._ended = news.ends
        elif answer is not Heard.KNOWN:
            self._read()

    def _drop(self) -> None:
        announcements, self._announcements = self._announcements, None
        if announcements is not None:
            announcements.close()


class _Announcements:
    """A connection that is subscribed to one pubsub_channel, and confirmed. Every failure is
    `RedisUnavailable`."""

    def __init__(self, link: RedisLink, pubsub_channel: str) -> None:
        self._link = link
        self._patience = time.monotonic() + SILENCE_SECONDS
        try:
            _, make = link.subscription(pubsub_channel)
            self._connection: Any = make()
            self._connection.connect()
            self._socket: socket.socket = self._connection._sock
            self._connection.send_command(
                "SSUBSCRIBE" if link.cluster else "SUBSCRIBE", pubsub_channel
            )
            if self._connection.read_response(timeout=_CONFIRM_SECONDS)[0] not in _CONFIRMED:
                raise RedisUnavailable("the subscription was not confirmed")
        except CLIENT_ERRORS as error:
            failure = link.failed(error, "SUBSCRIBE")
            link.refresh_topology()
            raise failure from error

    @property
    def silent(self) -> bool:
        """Whether it is time to ask history; true once for each `SILENCE_SECONDS` of silence."""
        if time.monotonic() < self._patience:
            return False
        self._patience = time.monotonic() + SILENCE_SECONDS
        return True

    def next(self, wait_seconds: float) -> Chunk | DeletionNotice | None:
        """The next announcement; None when there was none in time."""
        wait_seconds = max(0.001, min(wait_seconds, self._patience - time.monotonic()))
        try:
            message = self._connection.read_response(
                timeout=wait_seconds, disconnect_on_error=False
            )
        except RedisTimeoutError:
            return None
        except CLIENT_ERRORS as error:
            raise self._link.failed(error, "SUBSCRIBE") from error
        self._patience = time.monotonic() + SILENCE_SECONDS
        if message[0] in _MESSAGES:
            return parse_announcement(message[2])
        # Not asked for: in a Cluster, the slot has moved to another primary.
        self._link.refresh_topology()
        raise RedisUnavailable("the subscription has ended")

    def wake(self) -> None:
        """Let a `next` that is waiting in another thread return."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is over already

    def close(self) -> None:
        self._connection.disconnect()

    def __del__(self) -> None:
        """A loop that is left, with its iterator dropped, leaves no connection behind."""
        if hasattr(self, "_connection"):
            self.close()


_CONFIRMED = (b"subscribe", b"ssubscribe")
_MESSAGES = (b"message", b"smessage")
