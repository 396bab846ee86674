"""What a process remembers of one channel, to save readings of history.

It keeps the newest frames as they were announced, up to a bound, and the last pages of history that
were read: of a thousand listeners that return to one place only the first costs a reading.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from hub.store.chunk import Chunk, Segment
from hub.store.frame import Frame

_PAGES = 4


class Memory:
    """`voided` counts how often all of it was forgotten because it was no longer true: what was
    read before that must not be remembered after it."""

    def __init__(self, most_bytes: Callable[[], int]) -> None:
        """`most_bytes()` is how much the newest frames may take; it may change."""
        self._most_bytes = most_bytes
        self._newest = Segment()
        self._pages: deque[Segment] = deque(maxlen=_PAGES)
        self.voided = 0

    def add(self, chunk: Chunk) -> None:
        """The newest chunk, which continues the one before it."""
        self._newest.append(chunk)
        self._newest.trim(self._most_bytes())

    def add_page(self, frames: list[Frame], end: str, voided: int) -> None:
        """Frames of history that were read when `voided` was so much."""
        if frames and voided == self.voided:
            self._pages.appendleft(Segment([Chunk.of(frames, end)]))

    def after(self, position: str, size: int) -> list[Chunk] | None:
        """About `size` bytes of frames behind `position`; None where there are none in here."""
        found = self._newest.after(position, size)
        if found:
            return found
        for page in self._pages:
            found = page.after(position, size)
            if found:
                return found
        return None

    def count_to(self, position: str) -> int | None:
        """How many events the channel had up to `position`, where the newest frames can prove that
        none since is missing."""
        return self._newest.count_to(position)

    def void(self) -> None:
        self._newest.clear()
        self._pages.clear()
        self.voided += 1

    def forget_what_is_over(self) -> None:
        """Pages were for those who came in one moment; and the bound may have become a lower one,
        where no new chunk comes to meet it."""
        self._pages.clear()
        self._newest.trim(self._most_bytes())
