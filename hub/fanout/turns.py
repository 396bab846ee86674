"""Whose turn it is: everything in a process that has something to send goes on from here.

    add     a group with news; its steps are slices of 64 sends, taken in rotation with the others'
    later   a listener that was led a while, or must be led again: once, behind the groups

Code that brings news to groups ends with `deliver` or `wake`. The feed delivers itself, in the loop
that has read the news: a greenlet to be woken for each delta would cost a switch there and one
back. All others wake the loop `turns`. Whichever comes first serves all that is there, one at a
time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from gevent.event import Event

from hub.fanout.loops import Loop
from hub.fanout.pace import Pace


class Turns:
    def __init__(self) -> None:
        self._ready: deque[Callable[[], bool]] = deque()
        self._later: deque[Callable[[], None]] = deque()
        self._wanted = Event()
        self._delivering = False

    def add(self, step: Callable[[], bool]) -> None:
        """Call `step` until it returns False: there is no more to do."""
        self._ready.append(step)

    def later(self, step: Callable[[], None]) -> None:
        """Let others go first, then call `step` once."""
        self._later.append(step)
        self._wanted.set()

    def wake(self) -> None:
        self._wanted.set()

    def deliver(self, loop: Loop) -> None:
        """Give turns until nobody has news, in the loop that brought some."""
        if self._delivering:
            return
        self._delivering = True
        try:
            pace = Pace()
            while self._ready:
                step = self._ready.popleft()
                try:
                    more = step()
                except BaseException:  # killed: the next delivery goes on with it
                    self._ready.appendleft(step)
                    self._wanted.set()
                    raise
                if more:
                    self._ready.append(step)
                pace.step()
                loop.progress()
        finally:
            self._delivering = False

    def run(self, loop: Loop) -> None:
        """The loop `turns`."""
        self._wanted.set()  # what a predecessor was given is still there
        while True:
            loop.wait(self._wanted)
            self._wanted.clear()
            self.deliver(loop)
            pace = Pace()
            for _ in range(len(self._later)):
                step = self._later.popleft()
                try:
                    step()
                except BaseException:
                    self._later.append(step)
                    raise
                pace.step()
            loop.sleep(0)
