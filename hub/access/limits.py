"""How often one may do something, counted in Redis over all processes.

The `limits` library counts, in a moving window: any sixty seconds hold at most so many, not only
those that begin with the minute. Its scripts run through our own link, which knows every kind of
Redis that Hubbub does, and turns its errors into ours.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from hashlib import sha1
from typing import Any

from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import RedisStorage, Storage
from limits.strategies import MovingWindowRateLimiter

from hub.errors import TooMany
from hub.settings import Settings
from hub.store.keys import digest
from hub.store.redis_link import RedisLink
from hub.store.script import Script


class Limits:
    """The limits of the settings. A limit of 0 is none."""

    def __init__(self, link: RedisLink, settings: Settings) -> None:
        self._counter = MovingWindowRateLimiter(_OurLink(link))
        self._generations = _per(RateLimitItemPerMinute, settings.generations_per_minute)
        self._publishes = _per(RateLimitItemPerSecond, settings.publishes_per_second)

    @property
    def counts_publishes(self) -> bool:
        """Whether publishing is limited at all."""
        return self._publishes is not None

    def generation(self, whose: str) -> None:
        """Count one more generation of `whose`. Raises `TooMany`, `RedisUnavailable`."""
        self._hit(self._generations, "generations", "generations a minute", whose, 1)

    def publish(self, whose: str, events: int) -> None:
        """Count so many events of `whose`. Raises `TooMany`, `RedisUnavailable`.

        A batch that is larger than what a second allows takes the whole second."""
        self._hit(self._publishes, "publishes", "events a second", whose, events)

    def _hit(
        self, limit: RateLimitItem | None, what: str, words: str, whose: str, cost: int
    ) -> None:
        if limit is None:
            return
        if self._counter.hit(limit, what, whose, cost=min(cost, limit.amount)):
            return
        window = self._counter.get_window_stats(limit, what, whose)
        # Where the clock was put back, the window lies ahead; Redis forgets it within its length.
        wait_seconds = min(limit.get_expiry(), max(1, math.ceil(window.reset_time - time.time())))
        raise TooMany(
            f"at most {limit.amount} {words}: come back in {wait_seconds} s",
            headers={
                "Retry-After": str(wait_seconds),
                "RateLimit-Policy": f"{limit.amount};w={limit.get_expiry()}",
                "RateLimit-Limit": str(limit.amount),
                "RateLimit-Remaining": str(max(0, window.remaining)),
                "RateLimit-Reset": str(wait_seconds),
            },
        )


def _per(item: Callable[[int], RateLimitItem], amount: int) -> RateLimitItem | None:
    return item(amount) if amount else None


class _OurLink(RedisStorage):
    """The library's storage, its scripts run by `RedisLink`."""

    def __init__(self, link: RedisLink) -> None:
        Storage.__init__(self)
        self._link = link
        self.lua_moving_window = self._script(self.SCRIPT_MOVING_WINDOW)
        self.lua_acquire_moving_window = self._script(self.SCRIPT_ACQUIRE_MOVING_WINDOW)

    def prefixed_key(self, key: str) -> str:
        # A name as long as somebody's `sub`, or with braces in it, is not for Redis.
        return self._link.keys.key(f"limit:{digest(key)}", "window")

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        return ()

    def _script(self, text: bytes) -> Any:
        script = Script(text.decode(), sha1(text).hexdigest(), "limits")

        def run(keys: Sequence[str], args: Sequence[object]) -> Any:
            return self._link.run(script, keys, args)

        return run
