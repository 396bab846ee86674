"""Requests for streams that come together wait for Redis together.

A stream may begin when this process has heard all that was announced before it was asked for
(`Feed.barrier`). That is one question for all that came in the same turn of the loop: they have one
greenlet for it, and begin one after the other when it is answered. A greenlet for each, with a
deadline of its own, was a seventh of an arrival.
"""

from __future__ import annotations

from collections.abc import Callable

from hub.errors import RedisFailure
from hub.fanout.delivery import Delivery
from hub.web.errands import Errands

Begin = Callable[[bool], None]


class Arrivals:
    def __init__(self, delivery: Delivery, errands: Errands) -> None:
        self._delivery = delivery
        self._errands = errands
        self._came: list[Begin] = []

    def come(self, channel: str | None, begin: Begin) -> None:
        """Call `begin`, in a greenlet: with True when what was announced before now is heard, with
        False where it must see to that by itself. `channel`: None for one of several."""
        delivery = self._delivery
        # In a Cluster each channel asks its own node; where nobody listens yet, none is connected.
        if channel is None or delivery.history.link.cluster or not delivery.is_open(channel):
            self._errands.run(begin, False)
            return
        self._came.append(begin)
        if len(self._came) == 1:
            self._errands.run(self._wait, channel)

    def _wait(self, channel: str) -> None:
        # Redis is asked from here on, so the answer is behind all that these must have heard.
        came, self._came = self._came, []
        heard = False
        try:
            self._delivery.wait_until_heard(channel, len(came))
            heard = True
        except RedisFailure:
            pass  # each finds it out once more, and says so to its client
        finally:
            for begin in came:
                self._errands.run(begin, heard)
