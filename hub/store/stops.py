"""Stops that were cut short: a process was killed before all its listeners had been told.

What stops a process has a patience of its own (compose's `stop_grace_period`, systemd's
`TimeoutStopSec`, Kubernetes' `terminationGracePeriodSeconds`), which the process cannot see. So it
says here that it has begun to tell its listeners, and takes that back when it has: what still
stands here after its grace was killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from operator import methodcaller

from hub.errors import RedisFailure
from hub.process import fresh_name
from hub.store.redis_link import RedisLink

_KEPT_SECONDS = 86_400
_SLACK_SECONDS = 10.0


class Stops:
    def __init__(self, link: RedisLink, clock: Callable[[], float] = time.time) -> None:
        self._link = link
        self._clock = clock
        self._key = link.keys.key("data", "stopping")
        self._name = ""

    def begins(self, grace_seconds: float) -> None:
        """This process has listeners and will have told them all within its grace. Where Redis is
        away, nobody learns of it."""
        self._name = fresh_name()
        said = f"{self._clock():.0f} {grace_seconds:g}"
        try:
            self._link.call(methodcaller("hset", self._key, self._name, said), try_seconds=0)
            self._link.call(methodcaller("expire", self._key, _KEPT_SECONDS), try_seconds=0)
        except RedisFailure:
            pass

    def ended(self) -> None:
        """All have been told."""
        try:
            self._link.call(methodcaller("hdel", self._key, self._name), try_seconds=0)
        except RedisFailure:
            pass

    def cut_short(self) -> str:
        """What is wrong with the last stop that was, within a day; '' where none was. Raises
        `RedisFailure`."""
        found = self._link.call(methodcaller("hvals", self._key))
        now = self._clock()
        for said in sorted(found, reverse=True):
            began, grace = map(float, said.split())
            if grace + _SLACK_SECONDS < now - began < _KEPT_SECONDS:
                return (
                    f"a web process was killed before its HUB_GRACE_SECONDS={grace:g} were over, "
                    f"{(now - began) / 60:.0f} minutes ago: some of its listeners were not told"
                )
        return ""
