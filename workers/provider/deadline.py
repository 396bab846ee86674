"""A total deadline: something must have come by then, whatever drips in meanwhile.

A socket's own timeout is for one read, and each byte re-arms it: header bytes one a second, a
`100 Continue` now and then, a chunk's size digit by digit go on for ever. Here one watcher for each
exchange looks at the clock when the time may be over, and only then. Moving the deadline on costs
the reader of the clock and a comparison, so every delta may do it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable


class Deadline:
    """Calls `expire` once, from a thread (or greenlet) of its own, when the time is over."""

    def __init__(
        self, expire: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._expire = expire
        self._clock = clock
        self._at = math.inf
        self._seconds = math.inf
        self._wakes = math.inf
        self._moved = threading.Event()
        self._watcher: threading.Thread | None = None
        self._ended = False

    def set(self, seconds: float) -> None:
        """From now on, `seconds`."""
        self._seconds = seconds
        self._at = self._clock() + seconds
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, daemon=True)
            self._watcher.start()
        elif self._at < self._wakes:
            self._moved.set()

    def suspend(self) -> None:
        """Nothing is waited for until `set` is called again."""
        self._at = math.inf

    def end(self) -> None:
        self._ended = True
        self._moved.set()

    @property
    def over(self) -> bool:
        """For a reader that never waits: the watcher may not have had a turn."""
        return self._clock() >= self._at

    def _watch(self) -> None:
        while not self._ended:
            self._wakes = math.inf  # whatever is set from here on wakes the wait below
            left = self._at - self._clock()
            if left <= 0:
                self._expire()
                return
            # Suspended, it looks again after a while: what is set meanwhile lies behind that.
            left = min(left, self._seconds)
            self._wakes = self._clock() + left
            self._moved.wait(left)
            self._moved.clear()
