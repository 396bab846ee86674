"""Pauses that grow while something goes on failing."""

from __future__ import annotations


class Backoff:
    """`seconds` is the pause that comes next: it doubles with each one taken, up to a bound, and is
    the first again when the thing has worked."""

    __slots__ = ("_first", "_most", "seconds")

    def __init__(self, first_seconds: float, most_seconds: float) -> None:
        self._first = first_seconds
        self._most = most_seconds
        self.seconds = first_seconds

    @property
    def begun(self) -> bool:
        """Whether a pause was taken since it last worked."""
        return self.seconds > self._first

    def take(self) -> float:
        """The seconds to wait now."""
        seconds = self.seconds
        self.seconds = min(seconds * 2, self._most)
        return seconds

    def reset(self) -> None:
        """It has worked."""
        self.seconds = self._first
