"""The bodies that are open in this process: each is told at once when its generation has ended.

Who ends a generation says so on the workers' control channel, and a process that misses that finds
out at the next append, or at the next sign of life. While a process takes bodies it also ends, like
the workers, the generations whose producers are silent: a hub may have no worker at all.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary

from hub.errors import RedisFailure
from hub.fanout.delivery import Delivery
from hub.fanout.loops import Loop
from hub.web.live_body import LiveBody
from workers.generation import Generation
from workers.producers.writer import Ended, Turn
from workers.store import Generations

log = logging.getLogger("workers.producers")


class OpenBodies:
    """Of one process. Where it has no loop of gevent's it never calls `watch`, and nothing is
    heard."""

    def __init__(self, generations: Generations, delivery: Delivery) -> None:
        self._generations = generations
        self._delivery = delivery
        self._open: defaultdict[str, set[LiveBody]] = defaultdict(set)
        self._turns: WeakValueDictionary[str, Turn] = WeakValueDictionary()
        self._watching: Loop | None = None

    def turn(self, generation_id: str) -> Turn:
        """What the bodies of a generation share, for as long as one of them is there."""
        return self._turns.setdefault(generation_id, Turn())

    def watch(self) -> None:
        """Hear of ends, and look for silence; calling it again does nothing."""
        if self._watching is None:
            self._watching = self._delivery.loops.start("producers", self._look_for_silence)
            self._delivery.feed.subscribe(self._generations.queue.control, self)

    @contextmanager
    def open(self, generation: Generation, body: LiveBody) -> Iterator[None]:
        self._open[generation.id].add(body)
        try:
            yield
        finally:
            self._open[generation.id].discard(body)
            if not self._open[generation.id]:
                del self._open[generation.id]

    def announced(self, payload: bytes) -> None:
        """A generation has ended (`feed.Subscriber`)."""
        for body in self._open.get(payload.decode(), ()):
            body.interrupt(Ended())

    def confirmed(self) -> None:
        """What was said before is found out at the next sign of life (`feed.Subscriber`)."""

    def _look_for_silence(self, loop: Loop) -> None:
        while True:
            loop.sleep(max(1.0, self._generations.queue.lease_seconds))
            try:
                self._generations.end_lost()
            except RedisFailure as error:
                log.warning("silent producers are looked for later: %s", error.detail)
