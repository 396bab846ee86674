"""One way to Redis for the appends of many: a worker's generations, a web process's publishes.

Publishers that have something report here. While one round trip is under way, all that becomes
ready waits and leaves with the next, so batches grow with the load. Where Redis does not answer,
the same batches are sent again until it does: each is stored once, however often it is sent.

One publisher's trouble is its own: whatever it raises, cannot be packed or is refused for good is
told to that publisher (`broken`) and the others go on.

In a Cluster there is one lane for each node, so that one that is away does not hold up the others.
"""

from __future__ import annotations

import logging
import time
from typing import Any, NamedTuple, Protocol

from gevent.event import Event

from hub.backoff import Backoff
from hub.errors import RedisFailure, RedisUnavailable
from hub.fanout.loops import Loop, Loops
from hub.fanout.pace import Pace
from hub.store.history import APPEND, History
from hub.store.pipe import PackedCall, Pipe, unpacked
from hub.store.script import Call

log = logging.getLogger("hub.sender")

ROUND_CALLS = 128
_ROUND_BYTES = 1 << 20
_PAUSE_SECONDS = 0.02
_MAX_PAUSE_SECONDS = 0.5


class Ready(Protocol):
    """Who has something to send."""

    channel: str

    def call(self) -> Call | PackedCall | None:
        """The append to send now: the same again until it is settled; None: nothing any more."""
        ...

    def settle(self, reply: Any) -> bool:
        """It was carried out; True where there is more to send."""
        ...

    def broken(self, error: Exception) -> bool:
        """It cannot be sent, now or later; True where there is something else to send instead."""
        ...


class Way(Protocol):
    """Where publishers report that they have something to send: a `Sender`."""

    def ready(self, publisher: Ready) -> None: ...


class _Sending(NamedTuple):
    publisher: Ready
    call: Call | PackedCall
    packed: bytes


class Sender:
    def __init__(
        self, history: History, loops: Loops | None = None, *, gather_seconds: float = 0.0
    ) -> None:
        """Round trips begin at least `gather_seconds` apart: what is said now and then leaves at
        once, and of thousands of deltas a second several share one."""
        self._history = history
        self._gather_seconds = gather_seconds
        self._loops = loops or Loops()
        self._lanes: dict[str, _Lane] = {}

    def ready(self, publisher: Ready) -> None:
        """Send what `publisher` has, soon. Called once; `settle` says whether it is ready again."""
        self._lane(publisher.channel).add(publisher)

    @property
    def trouble(self) -> str | None:
        """Why nothing can be sent at the moment, where that is so."""
        return next((lane.trouble for lane in self._lanes.values() if lane.trouble), None)

    @property
    def away(self) -> RedisUnavailable | None:
        """What Redis answered last, where it has carried out nothing since."""
        return next((lane.away for lane in self._lanes.values() if lane.away), None)

    def stop(self) -> None:
        for lane in self._lanes.values():
            lane.stop()

    def _lane(self, channel: str) -> _Lane:
        link = self._history.link
        if not link.cluster and self._lanes:
            return self._lanes[""]
        try:
            node, make = link.subscription(channel)
        except RedisFailure:
            node, make = "?", _nowhere  # nobody knows the node; the slow way finds it out
        lane = self._lanes.get(node)
        if lane is None:
            pipe = Pipe(link, APPEND, make)
            lane = self._lanes[node] = _Lane(self._history, pipe, self._loops, self._gather_seconds)
        return lane


class _Lane:
    """`_in_hand` holds the publishers of the round under way until each is settled: a round that is
    broken off loses none of them."""

    def __init__(self, history: History, pipe: Pipe, loops: Loops, gather_seconds: float) -> None:
        self._history = history
        self._gather_seconds = gather_seconds
        self._pipe = pipe
        self._waiting: list[Ready] = []
        self._in_hand: dict[Ready, None] = {}
        self._wake = Event()
        self._backoff = Backoff(_PAUSE_SECONDS, _MAX_PAUSE_SECONDS)
        self.away: RedisUnavailable | None = None
        self._begun = False
        self._loop = loops.start("sender", self._run, restart_stuck=True)

    @property
    def trouble(self) -> str | None:
        return self._loop.trouble

    def add(self, publisher: Ready) -> None:
        self._waiting.append(publisher)
        self._wake.set()

    def stop(self) -> None:
        self._loop.stop()
        self._pipe.close()

    def _run(self, loop: Loop) -> None:
        if self._begun:
            self._prove()
        self._begun = True
        self._put_back()
        while True:
            if not self._waiting:
                loop.wait(self._wake)
            self._wake.clear()
            while self._waiting:
                began = time.monotonic()
                self._round(loop)
                loop.progress()
                rest = self._gather_seconds - (time.monotonic() - began)
                if rest > 0:
                    loop.sleep(rest)

    def _prove(self) -> None:
        """Begun again, it is well when a word has gone through: until then this worker claims
        nothing, though it may have nothing to send."""
        try:
            self._pipe.ping()
        except RedisUnavailable:
            pass  # it does not stand still

    def _round(self, loop: Loop) -> None:
        pace = Pace()
        batch, self._waiting = self._waiting[:ROUND_CALLS], self._waiting[ROUND_CALLS:]
        self._in_hand = dict.fromkeys(batch)
        round_, size = [], 0
        for number, publisher in enumerate(batch, 1):
            sending = self._sending(publisher, pace)
            if sending is not None:
                round_.append(sending)
                size += len(sending.packed)
            pace.step()
            if size > _ROUND_BYTES:
                self._wait_for_the_next(batch[number:])
                break
        if not round_:
            return
        try:
            replies = self._pipe.run([sending.packed for sending in round_])
        except RedisFailure:
            # One by one: it may be one of them alone that Redis drops the connection for, and in a
            # Cluster the slots may have gone to another node by now.
            self._slowly(round_, loop)
            return
        self._redis_is_back()
        troubled = []
        for sending, reply in zip(round_, replies, strict=True):
            if isinstance(reply, Exception):
                troubled.append(sending)
            else:
                self._settle(sending.publisher, reply)
        self._slowly(troubled, loop)

    def _wait_for_the_next(self, publishers: list[Ready]) -> None:
        """Together with these a round would take long to copy."""
        for publisher in publishers:
            del self._in_hand[publisher]
        self._waiting = [*publishers, *self._waiting]

    def _sending(self, publisher: Ready, pace: Pace) -> _Sending | None:
        try:
            call = publisher.call()
            pace.step()
            if call is not None:
                return _Sending(publisher, call, self._pipe.pack(call))
            del self._in_hand[publisher]
        except Exception as error:
            self._broken(publisher, error)
        return None

    def _slowly(self, round_: list[_Sending], loop: Loop) -> None:
        """One by one, with all that the link knows about finding the right server."""
        for publisher, call, _ in round_:
            try:
                keys, args = unpacked(call)
                reply = self._history.link.run(APPEND, keys, args, try_seconds=1, durable=True)
            except RedisUnavailable as error:
                self._pipe.close()  # in a failover the old primary still answers, with refusals
                self._redis_is_away(error, loop)
                return
            except Exception as error:
                self._broken(publisher, error)
                continue
            loop.progress()
            self._redis_is_back()
            self._settle(publisher, reply)

    def _settle(self, publisher: Ready, reply: Any) -> None:
        try:
            more = publisher.settle(reply)
        except Exception as error:
            self._broken(publisher, error)
            return
        self._let_go(publisher, more)

    def _broken(self, publisher: Ready, error: Exception) -> None:
        try:
            more = publisher.broken(error)
        except Exception:
            log.exception("%s can neither go on nor end", publisher.channel)
            more = False
        self._let_go(publisher, more)

    def _let_go(self, publisher: Ready, more: bool) -> None:
        self._in_hand.pop(publisher, None)
        if more:
            self._waiting.append(publisher)
            self._wake.set()

    def _put_back(self) -> None:
        self._waiting = [*self._in_hand, *self._waiting]
        self._in_hand = {}
        if self._waiting:
            self._wake.set()

    def _redis_is_away(self, error: RedisUnavailable, loop: Loop) -> None:
        if self.away is None:
            log.warning("redis is away, what is to be stored is held: %s", error.detail)
        self.away = error
        self._put_back()
        loop.sleep(self._backoff.take())

    def _redis_is_back(self) -> None:
        if self.away is not None:
            log.warning("redis is back")
        self.away = None
        self._backoff.reset()


def _nowhere() -> Any:
    raise RedisUnavailable("the node of this channel is not known")
