"""The worker's one way to Redis for what its generations say.

Publishers that have something report here. While one round trip is under way, all that becomes
ready waits and leaves with the next, so batches grow with the load. Where Redis does not answer,
the same batches are sent again until it does: each is stored once, however often it is sent.

In a Cluster there is one lane for each node, so that one that is away does not hold up the others.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Protocol

import gevent
from gevent.event import Event

from hub.errors import RedisUnavailable
from hub.store.history import APPEND, History
from workers.run.pipe import Call, Pipe

log = logging.getLogger("workers.sender")

ROUND_CALLS = 128
GATHER_SECONDS = 0.0005
"""Round trips begin at least so far apart: what is said now and then leaves at once, and of
thousands of deltas a second several share one."""
_PAUSE_SECONDS = 0.02
_MAX_PAUSE_SECONDS = 0.5


class Ready(Protocol):
    """Who has something to send."""

    channel: str

    def call(self) -> Call | None:
        """The append to send now: the same again until it is settled; None: nothing any more."""
        ...

    def settle(self, reply: Any) -> bool:
        """It was carried out; True where there is more to send."""
        ...


class Sender:
    def __init__(self, history: History) -> None:
        self._history = history
        self._lanes: dict[str, _Lane] = {}

    def ready(self, publisher: Ready) -> None:
        """Send what `publisher` has, soon. Called once; `settle` says whether it is ready again."""
        self._lane(publisher.channel).add(publisher)

    def stop(self) -> None:
        for lane in self._lanes.values():
            lane.stop()

    def _lane(self, channel: str) -> _Lane:
        link = self._history.link
        if not link.cluster and self._lanes:
            return self._lanes[""]
        try:
            node, make = link.subscription(channel)
        except RedisUnavailable:
            node, make = "?", _nowhere  # nobody knows the node; the slow way finds it out
        lane = self._lanes.get(node)
        if lane is None:
            lane = self._lanes[node] = _Lane(self._history, Pipe(link, APPEND, make))
        return lane


class _Lane:
    def __init__(self, history: History, pipe: Pipe) -> None:
        self._history = history
        self._pipe = pipe
        self._waiting: list[Ready] = []
        self._wake = Event()
        self._pause = _PAUSE_SECONDS
        self._away = False
        self._greenlet = gevent.spawn(self._run)

    def add(self, publisher: Ready) -> None:
        self._waiting.append(publisher)
        self._wake.set()

    def stop(self) -> None:
        self._greenlet.kill()
        self._pipe.close()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._waiting:
                began = time.monotonic()
                self._round()
                rest = GATHER_SECONDS - (time.monotonic() - began)
                if rest > 0:
                    gevent.sleep(rest)

    def _round(self) -> None:
        batch, self._waiting = self._waiting[:ROUND_CALLS], self._waiting[ROUND_CALLS:]
        calls = [(publisher, call) for publisher in batch if (call := publisher.call())]
        if not calls:
            return
        try:
            replies = self._pipe.run([call for _, call in calls])
        except RedisUnavailable as error:
            if self._history.link.cluster:  # the slots may have gone to another node by now
                self._slowly(calls)
            else:
                self._redis_is_away([publisher for publisher, _ in calls], error)
            return
        self._redis_is_back()
        troubled = []
        for (publisher, call), reply in zip(calls, replies, strict=True):
            if isinstance(reply, Exception):
                troubled.append((publisher, call))
            elif publisher.settle(reply):
                self._waiting.append(publisher)
        self._slowly(troubled)

    def _slowly(self, calls: list[tuple[Ready, Call]]) -> None:
        """One by one, with all that the link knows about finding the right server."""
        for at, (publisher, call) in enumerate(calls):
            try:
                reply = self._history.link.run(APPEND, *call, try_seconds=1, durable=True)
            except RedisUnavailable as error:
                self._pipe.close()  # in a failover the old primary still answers, with refusals
                self._redis_is_away([publisher for publisher, _ in calls[at:]], error)
                return
            self._redis_is_back()
            if publisher.settle(reply):
                self._waiting.append(publisher)

    def _redis_is_away(self, publishers: list[Ready], error: RedisUnavailable) -> None:
        if not self._away:
            log.warning("redis is away, deltas are held: %s", error.detail)
        self._away = True
        self._waiting = publishers + self._waiting
        gevent.sleep(self._pause)
        self._pause = min(self._pause * 2, _MAX_PAUSE_SECONDS)

    def _redis_is_back(self) -> None:
        if self._away:
            log.warning("redis is back")
        self._away = False
        self._pause = _PAUSE_SECONDS


def _nowhere() -> Any:
    raise RedisUnavailable("the node of this channel is not known")
