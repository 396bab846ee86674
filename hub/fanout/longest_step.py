"""How long the loop of this process was held, at most, by one step.

Everything here takes turns: while one greenlet works, no stream beats and no request is answered.
So the time between two looks of the loop at its sockets is what a client feels of the others'
requests. It is measured from the loop's own side, by a watcher that is called behind each look and
one that is called before the next, and shown as `hubbub_longest_step_seconds`: the longest of the
last one to two minutes, so that an alarm goes away with its cause. `…_cpu_seconds` is the same in
time of the processor: on a machine that is too busy the two differ, and only the second tells what
this process does, to a thousandth of a second. A step of `LONG_SECONDS` is logged, once a minute.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import gevent

log = logging.getLogger("hub.loop")

LONG_SECONDS = 0.25
MOMENT_SECONDS = 0.001
_WINDOW_SECONDS = 60.0
_HIGHEST, _LOWEST = 2, -2


class _Longest:
    """The largest of the values of the last one to two windows."""

    def __init__(self, now: float) -> None:
        self._window_began = now
        self._this = self._last = 0.0

    def add(self, value: float, now: float) -> None:
        if value > self._this:
            self._turn(now)
            self._this = max(value, self._this)

    def value(self, now: float) -> float:
        self._turn(now)
        return max(self._this, self._last)

    def _turn(self, now: float) -> None:
        if now - self._window_began > _WINDOW_SECONDS:
            gone = now - self._window_began > 2 * _WINDOW_SECONDS
            self._last, self._this = 0.0 if gone else self._this, 0.0
            self._window_began = now


class LongestStep:
    """`start` it in the process whose loop it is to watch."""

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        cpu_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._clock, self._cpu_clock = clock, cpu_clock
        now = self._logged = clock()
        # Before the loop has looked for the first time the process begins, and serves nobody.
        self._began = float("inf")
        self._cpu_began, self._cpu_read = 0.0, float("-inf")
        self._wall, self._cpu = _Longest(now), _Longest(now)
        self._watchers: list[Any] = []

    def figures(self) -> dict[str, float]:
        now = self._clock()
        return {
            "longest_step": self._wall.value(now),
            "longest_step_cpu": self._cpu.value(now),
        }

    def start(self) -> None:
        loop = gevent.get_hub().loop
        # The first to be called behind a look, and the last before the next: greenlets are run by
        # gevent's own watchers of both kinds.
        for watcher, callback in (
            (loop.check(ref=False, priority=_HIGHEST), self._looked),
            (loop.prepare(ref=False, priority=_LOWEST), self._looks),
        ):
            watcher.start(callback)
            self._watchers.append(watcher)

    def stop(self) -> None:
        for watcher in self._watchers:
            watcher.stop()
            watcher.close()
        self._watchers = []

    def _looked(self) -> None:
        self._began = now = self._clock()
        # The processor's clock is the kernel's to read, which costs as much as a small step. Read
        # once in a moment it is as good, to that moment.
        if now - self._cpu_read > MOMENT_SECONDS:
            self._cpu_began, self._cpu_read = self._cpu_clock(), now

    def _looks(self) -> None:
        now = self._clock()
        took = now - self._began
        self._wall.add(took, now)
        if took > MOMENT_SECONDS:
            self._cpu.add(min(took, self._cpu_clock() - self._cpu_began), now)
        if took > LONG_SECONDS and now - self._logged > _WINDOW_SECONDS:
            self._logged = now
            log.warning("one step held everything for %.2f s", took)
