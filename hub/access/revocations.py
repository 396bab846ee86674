"""Tokens that were revoked before their time, the same in every process within a moment.

They are a small set in Redis, announced when it grows and read again whenever the subscription was
confirmed again, which it is after every break: what was revoked while this process heard nothing is
known as soon as Redis is back. An entry lives until its token would have ended by itself.

Before the set has been read once, nobody who shows a token that can be revoked gets in.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

from gevent.event import Event

from hub.errors import RedisFailure
from hub.fanout.endings import Endings
from hub.fanout.feed import Feed
from hub.fanout.loops import Loop, Loops
from hub.store.redis_link import RedisLink
from hub.store.script import Script

log = logging.getLogger("hub.access")

KEPT_SECONDS = 400 * 86_400
"""How long a revoked token is remembered whose end nobody named."""

_TAG = "tokens"
_PAUSE_SECONDS = 0.5
_REVOKE = Script.load("hub.access", "revoke")


class Revocations:
    """`endings` keeps the set for this process, and ends the streams; `loops` keeps the loop that
    reads it again. `in_its_loop` calls a function where these live (`Delivery.in_its_loop`)."""

    def __init__(
        self,
        link: RedisLink,
        feed: Feed,
        endings: Endings,
        loops: Loops,
        in_its_loop: Callable[[Callable[[], None]], None] = lambda function: function(),
        now: Callable[[], float] = time.time,
    ) -> None:
        self._link = link
        self._key = link.keys.key(_TAG, "revoked")
        self._pubsub_channel = link.keys.pubsub(_TAG)
        self._feed = feed
        self._endings = endings
        self._loops = loops
        self._in_its_loop = in_its_loop
        self._now = now
        self._heard_by = 0
        self._read = False
        self._reading = False
        self._missed = Event()

    @property
    def known(self) -> bool:
        """Whether this process knows the set, and hears when it grows."""
        return self._read and self._heard_by == os.getpid()

    def is_revoked(self, token: str) -> bool:
        """Whether the token named `token` (its `jti`) counts no more. Raises `RedisUnavailable`
        before the set could be read."""
        if not self.known:
            self._in_its_loop(self._listen)
        return self._endings.is_revoked(token)

    def revoke(self, token: str, until: float | None) -> None:
        """Let a token count no more, from now on and everywhere. Raises `RedisUnavailable`."""
        now = self._now()
        until = until or now + KEPT_SECONDS
        args = [self._link.publish_command, self._pubsub_channel, int(now), int(until), token]
        self._link.run(_REVOKE, [self._key], args, durable=True)
        self._endings.revoke(token, until)

    def announced(self, payload: bytes) -> None:
        until, _, token = payload.decode().partition(" ")
        self._endings.revoke(token, float(until))

    def confirmed(self) -> None:
        self._missed.set()

    def _listen(self) -> None:
        # In this process: what the one before a fork heard is not heard here.
        if self._heard_by != os.getpid():
            self._heard_by, self._read = os.getpid(), False
            self._feed.subscribe(self._pubsub_channel, self)
            self._loops.start("revocations", self._read_again)
        self._load()

    def _read_again(self, loop: Loop) -> None:
        if self._reading:  # the loop's predecessor died meanwhile
            self._missed.set()
        while True:
            loop.wait(self._missed)
            self._reading = True
            self._missed.clear()  # before it is read: what is missed meanwhile is read once more
            try:
                self._load()
                self._reading = False
            except RedisFailure as error:
                log.warning("revoked tokens not read: %s", error.detail)
                self._missed.set()
                loop.sleep(_PAUSE_SECONDS)

    def _load(self) -> None:
        now = int(self._now())
        found = self._link.call(
            lambda client: client.zrangebyscore(self._key, now, "+inf", withscores=True)
        )
        for token, until in found:
            self._endings.revoke(token.decode(), until)
        self._read = True
