"""A part's place in the stack: what is started there, and again when it has died.

    runs ──dies──▶ waits ──pause is over──▶ runs
      │
      └─ dies the third time within QUICK_SECONDS of its start, or says that a setting is wrong ─▶
         PartDied, which ends the stack: starting it again would not help

The pause doubles with each death in a row, so that a part that cannot live does not spend the
machine. A part that lived longer has been well: its next death is the first again.
"""

from __future__ import annotations

from collections.abc import Callable

from hubbub.parts.errors import PartDied
from hubbub.parts.part import Part

QUICK_SECONDS = 10.0
MOST_QUICK_DEATHS = 3
FIRST_PAUSE_SECONDS = 0.25
WRONG_SETTING = 2
"""The status of our programs where a setting is wrong."""


class Post:
    """`make` starts the part; `last_words(part)` is the end of what it said, '' where nothing is
    known. `part` is the one that runs, or ran last."""

    def __init__(
        self,
        name: str,
        make: Callable[[], Part],
        last_words: Callable[[Part], str],
        clock: Callable[[], float],
        *,
        part: Part | None = None,
    ) -> None:
        self.name = name
        self._make = make
        self._last_words = last_words
        self._clock = clock
        self._quick_deaths = 0
        self._again_at: float | None = None
        self._began = clock()
        self.part = part or make()

    @property
    def waits(self) -> bool:
        """Whether the pause before the next start is under way."""
        return self._again_at is not None

    def look(self) -> str:
        """Do what is to be done now; what to tell the user of it, '' where that is nothing. Raises
        `PartDied`."""
        if self._again_at is not None:
            if self._clock() < self._again_at:
                return ""
            self._again_at = None
            self._began = self._clock()
            self.part = self._make()
            return f"{self.name} is started again"
        if not self.part.ended():
            return ""
        return self._died()

    def _died(self) -> str:
        now = self._clock()
        self._quick_deaths += 1
        if now - self._began > QUICK_SECONDS:
            self._quick_deaths = 1
        what = f"{self.name} {self.part.how_it_ended()}"
        said = self._last_words(self.part)
        words = f". It said: {said}" if said else ""
        if self.part.code == WRONG_SETTING:
            raise PartDied(f"{what}; ending the rest{words}")
        if self._quick_deaths >= MOST_QUICK_DEATHS:
            raise PartDied(f"{what}, {self._quick_deaths} times at once; ending the rest{words}")
        pause = FIRST_PAUSE_SECONDS * 2**self._quick_deaths
        self._again_at = now + pause
        return f"{what}; it is started again in {pause:g} s{words}"
