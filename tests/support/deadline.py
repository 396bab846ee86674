"""Waiting for a condition, never for a length of time.

Deadlines are written for a machine that has nothing else to do. `patience` stretches them by what
this one has to do beside the tests, so that a slow machine makes them slow and not red; what is
merely slow takes no longer for it, only what fails does. `HUBBUB_TEST_PATIENCE` stretches them
further, for a machine that is slow by itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def patience() -> float:
    """How many times as long as alone on a quick machine things may take at this moment."""
    busy = os.getloadavg()[0] / (os.cpu_count() or 1)
    return min(max(1.0, busy), 8.0) * float(os.environ.get("HUBBUB_TEST_PATIENCE", "1"))


def deadline(seconds: float) -> float:
    """When `seconds` and the patience of this moment are over, on the clock `time.monotonic`."""
    return time.monotonic() + seconds * patience()


def eventually(
    condition: Callable[[], T], within_seconds: float = 10.0, *, every_seconds: float = 0.02
) -> T:
    """Return the first true value of `condition`; fail with its last value after the deadline."""
    give_up = deadline(within_seconds)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > give_up:
            raise AssertionError(f"not within {within_seconds} s; at last: {value!r}")
        time.sleep(every_seconds)


def answers(attempt: Callable[[], T], within_seconds: float = 10.0) -> T:
    """Return what `attempt` returns as soon as it raises nothing."""
    give_up = deadline(within_seconds)
    while True:
        try:
            return attempt()
        except Exception:
            if time.monotonic() > give_up:
                raise
        time.sleep(0.02)
