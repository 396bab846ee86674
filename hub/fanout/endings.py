"""Streams that end because the token that opened them does: at its hour, or at a word.

Each process keeps the tokens that were revoked (`access.revocations` brings them) and, by the
second, which of its streams end when. A stream's deadline does not ask where the stream stands: one
that is behind or stalled ends as one at the head does. It is told so where it can still be told.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import TypeVar

import gevent
from gevent.event import Event

from hub.fanout.listener import Listener
from hub.fanout.loops import Loop

_K = TypeVar("_K")

TICK_SECONDS = 0.25
_TIDY_SECONDS = 60
_AT_ONCE = 200
"""So many are told before others have a turn: a crowd may have signed in at one moment."""


class Endings:
    """`now` is in seconds since the epoch, as tokens count."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._by_second: defaultdict[int, set[Listener]] = defaultdict(set)
        self._by_token: defaultdict[str, set[Listener]] = defaultdict(set)
        self._revoked: dict[str, float] = {}
        self._due: deque[tuple[Listener, str]] = deque()
        self._passed = int(now())
        self._tidy_at = self._passed + _TIDY_SECONDS
        self._wake = Event()

    def add(self, listener: Listener) -> None:
        """A stream has begun. Its token may have been revoked since it was looked at."""
        if listener.expires is not None:
            second = max(int(listener.expires), self._passed + 1)
            listener.expires = second
            self._by_second[second].add(listener)
        if listener.token:
            self._by_token[listener.token].add(listener)
            if self.is_revoked(listener.token):
                self._end(listener, "revoked")

    def remove(self, listener: Listener) -> None:
        if listener.expires is not None:
            _discard(self._by_second, int(listener.expires), listener)
        if listener.token:
            _discard(self._by_token, listener.token, listener)

    def is_revoked(self, token: str) -> bool:
        return token in self._revoked

    def revoke(self, token: str, until: float) -> None:
        """Let a token count no more; `until`, it would have ended by itself."""
        self._revoked[token] = max(until, self._revoked.get(token, 0.0))
        for listener in self._by_token.get(token, ()):
            self._end(listener, "revoked")

    def run(self, loop: Loop) -> None:
        while True:
            loop.wait(self._wake, TICK_SECONDS)
            self._wake.clear()
            self.turn()

    def turn(self) -> None:
        """End what is due."""
        now = int(self._now())
        if now < self._passed:  # the clock was put back: what is due from here on is yet to come
            self._passed, self._tidy_at = now, now + _TIDY_SECONDS
        while self._passed < now:
            self._passed += 1
            for listener in self._by_second.pop(self._passed, ()):
                self._due.append((listener, "token-expired"))
        number = 0
        while self._due:  # one by one: a loop that is broken off loses none of them
            listener, reason = self._due.popleft()
            number += 1
            # With a fresh token one comes back at once; one that was revoked is not wanted.
            again = reason == "token-expired"
            listener.say_closing(reason, reconnect=again)
            if number % _AT_ONCE == 0:
                gevent.sleep(0)
        if now >= self._tidy_at:
            self._tidy_at = now + _TIDY_SECONDS
            self._revoked = {jti: until for jti, until in self._revoked.items() if until >= now}

    def _end(self, listener: Listener, reason: str) -> None:
        self._due.append((listener, reason))
        self._wake.set()


def _discard(holder: defaultdict[_K, set[Listener]], key: _K, listener: Listener) -> None:
    held = holder.get(key)
    if held is not None:
        held.discard(listener)
        if not held:
            del holder[key]
