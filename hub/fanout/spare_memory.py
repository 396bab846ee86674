"""Memory that a crowd needed goes back to the system.

A listener is small, and thousands of them that come at once need as much again for a moment: what
they sent, what is about to be sent. glibc keeps what is freed below something that lives, and a
process would for ever be as large as its busiest second made it. `malloc_trim` gives back every
page that is free; it takes a few milliseconds, so it is called only when a crowd has arrived or
left and nothing moves any more.

Measured with 5,000 arrivals when it was written: of 6.4 MiB all stayed without it, and with it the
process was smaller afterwards (0.96 ×) than before. By now 9 to 15 % of the process stay after the
first crowd, and nothing more after the next ones. mimalloc, from a wheel, took 3.6 KiB a listener
rather than 1.3 and stayed at 1.13 × the base; Python's small objects from malloc rather than from
its own arenas took 0.9 KiB, and a third more processor for each arrival.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

CROWD = 1000
"""So many must have come or gone."""
_FEW = 20
_MOST_LOOKS = 60
"""Where it never stops, it is given back once a minute."""


def _found() -> Callable[[int], int] | None:
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None  # another libc, whose allocator has ways of its own
    return found


_MALLOC_TRIM = _found()


class SpareMemory:
    def __init__(self) -> None:
        self._moves = 0
        self._moves_before = 0
        self._moves_then = 0
        self._looks = 0

    def moved(self) -> None:
        """A listener has come or gone."""
        self._moves += 1

    def look(self) -> None:
        """Call it about once a second."""
        still = self._moves - self._moves_before <= _FEW
        self._moves_before = self._moves
        self._looks += 1
        if self._moves - self._moves_then >= CROWD and (still or self._looks >= _MOST_LOOKS):
            self._moves_then, self._looks = self._moves, 0
            if _MALLOC_TRIM is not None:
                _MALLOC_TRIM(0)
