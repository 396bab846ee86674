"""Waiting for a condition, never for a length of time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(
    condition: Callable[[], T], within_seconds: float = 10.0, *, every_seconds: float = 0.02
) -> T:
    """Return the first true value of `condition`; fail with its last value after the deadline."""
    give_up = time.monotonic() + within_seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > give_up:
            raise AssertionError(f"not within {within_seconds} s; at last: {value!r}")
        time.sleep(every_seconds)


def answers(attempt: Callable[[], T], within_seconds: float = 10.0) -> T:
    """Return what `attempt` returns as soon as it raises nothing."""
    give_up = time.monotonic() + within_seconds
    while True:
        try:
            return attempt()
        except Exception:
            if time.monotonic() > give_up:
                raise
        time.sleep(0.02)
