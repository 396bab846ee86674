"""The loops of a process: kept running, and watched.

A loop is a greenlet that lives as long as its process and works for everybody: it waits, takes a
step, waits again. Where one dies, by an exception or because it was killed, that is logged with a
traceback and it is begun again, after a pause that grows while it goes on dying; its body puts back
what its predecessor had in hand. Where a step takes too long, that is logged with the place at
which it stands; only those that say so (`restart_stuck`) are begun again for it, because nobody
knows what a step that is under way has done.

    def turns(loop):
        while True:
            loop.wait(wanted)         # or loop.sleep(seconds), or `with loop.idle():` around a read
            ...                       # from here to the next wait it must make progress

What is wrong at the moment is `troubles`, for `/readyz`; what was, `figures`, for `/metrics`.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
from gevent.event import Event

from hub.backoff import Backoff

log = logging.getLogger("hub.loops")

STUCK_SECONDS = 15.0
"""Longer than any call to Redis goes on trying."""
RESTARTS, STUCK = "restarts:", "stuck:"
"""How `figures` begin; the loop's name follows."""

_LOOK_SECONDS = 1.0
_PAUSE_SECONDS = 0.05
_MAX_PAUSE_SECONDS = 5.0
_HEALTHY_SECONDS = 10.0

Body = Callable[["Loop"], None]


class Loop:
    """One loop, as its body sees it."""

    def __init__(self, owner: Loops, name: str, body: Body, *, restart_stuck: bool) -> None:
        self.name = name
        self.restart_stuck = restart_stuck
        self.stopped = False
        self.trouble: str | None = None
        """What is wrong with it, until it has taken a step again."""
        self._owner = owner
        self._body = body
        self._backoff = Backoff(_PAUSE_SECONDS, _MAX_PAUSE_SECONDS)
        self._busy_since: float | None = None
        self._said_of: float | None = None
        self._begun = 0.0
        self._begin()

    # ── from the body ────────────────────────────────────────────────────────────────────────

    def progress(self) -> None:
        """A step is done and the next one begins."""
        self._busy_since = self._owner.clock()
        self.trouble = None

    def rest(self) -> None:
        """All is done; there is nothing to do until `progress` is called."""
        self._busy_since = None
        self.trouble = None

    @contextmanager
    def idle(self) -> Iterator[None]:
        """What happens in here may take for ever."""
        self.rest()
        try:
            yield
        finally:
            self.progress()

    def wait(self, event: Event, seconds: float | None = None) -> None:
        self.rest()
        event.wait(seconds)
        self.progress()

    def sleep(self, seconds: float) -> None:
        self.rest()
        gevent.sleep(seconds)
        self.progress()

    # ── from outside ─────────────────────────────────────────────────────────────────────────

    @property
    def is_stuck(self) -> bool:
        since = self._busy_since
        return since is not None and self._owner.clock() - since > self._owner.stuck_seconds

    def look(self) -> None:
        """Say so, once for each step, where it makes no progress."""
        if not self.is_stuck or self._said_of == self._busy_since or self.greenlet.dead:
            return
        self._said_of = self._busy_since
        self.trouble = f"{self.name} makes no progress"
        log.error("loop %s; it stands at\n%s", self.trouble, _place(self.greenlet))
        if self.restart_stuck:
            self.greenlet.kill(block=False)

    def stop(self, *, block: bool = True) -> None:
        self.stopped = True
        self._owner.forget(self)
        self.greenlet.kill(block=block)

    def _begin(self) -> None:
        if not self.stopped:
            self._begun = self._busy_since = self._owner.clock()
            self.greenlet = gevent.spawn(self._run)
            self.greenlet.link(self._ended)

    def _run(self) -> None:
        try:
            self._body(self)
            self.stopped = True
        except gevent.GreenletExit:
            if not self.stopped:
                log.exception("loop %s was killed", self.name)
        except Exception:
            log.exception("loop %s died", self.name)

    def _ended(self, _: gevent.Greenlet) -> None:
        if self.stopped:
            self._owner.forget(self)
            return
        self.trouble = self.trouble or f"{self.name} has died"
        self._owner.restarts[self.name] += 1
        if self._owner.clock() - self._begun > _HEALTHY_SECONDS:
            self._backoff.reset()
        log.warning("loop %s begins again in %.2f s", self.name, self._backoff.seconds)
        gevent.spawn_later(self._backoff.take(), self._begin)


class Loops:
    """All loops of a process that were started here."""

    def __init__(
        self,
        *,
        stuck_seconds: float = STUCK_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stuck_seconds = stuck_seconds
        self.clock = clock
        self.restarts: Counter[str] = Counter()
        self._loops: dict[Loop, None] = {}
        self._watch: Loop | None = None

    def start(self, name: str, body: Body, *, restart_stuck: bool = False) -> Loop:
        """Run `body` for ever, or until it returns or `stop` is called. Several may share a name.
        `restart_stuck`: it may be begun again in the middle of any step."""
        if self._watch is None:
            self._watch = Loop(self, "watch", self._look, restart_stuck=False)
        loop = Loop(self, name, body, restart_stuck=restart_stuck)
        self._loops[loop] = None
        return loop

    def stop(self, *, block: bool = True) -> None:
        for loop in [*self._loops, *([self._watch] if self._watch else [])]:
            loop.stop(block=block)

    def forget(self, loop: Loop) -> None:
        self._loops.pop(loop, None)

    def loops(self) -> list[Loop]:
        return list(self._loops)

    def troubles(self) -> list[str]:
        """What is wrong at the moment, a few words for each loop."""
        return [loop.trouble for loop in self._loops if loop.trouble is not None]

    def figures(self) -> dict[str, float]:
        found: dict[str, float] = {f"{RESTARTS}{n}": count for n, count in self.restarts.items()}
        for loop in self._loops:
            found.setdefault(f"{RESTARTS}{loop.name}", 0)
            found[f"{STUCK}{loop.name}"] = found.get(f"{STUCK}{loop.name}", 0) + loop.is_stuck
        return found

    def _look(self, watch: Loop) -> None:
        while True:
            watch.sleep(min(_LOOK_SECONDS, self.stuck_seconds / 4))
            for loop in self.loops():
                loop.look()


def _place(greenlet: gevent.Greenlet) -> str:
    frame = greenlet.gr_frame
    return "".join(traceback.format_stack(frame)) if frame is not None else "(not yet begun)"
