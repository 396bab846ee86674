"""When a part that died is started again, and when that is given up."""

from __future__ import annotations

import pytest

from hubbub.parts.errors import PartDied
from hubbub.parts.part import Part
from hubbub.parts.post import QUICK_SECONDS, Post


class Mortal(Part):
    """A part that dies when it is told to."""

    def __init__(self) -> None:
        self.name = "web"
        self.code: int | None = None

    def ended(self) -> bool:
        return self.code is not None


class Watch:
    """A post of mortals, and the clock that it looks at."""

    def __init__(self) -> None:
        self.now = 100.0
        self.post = Post("web", Mortal, lambda part: "the last line", lambda: self.now)

    def dies(self, code: int = 1) -> str:
        self.post.part.code = code
        return self.post.look()

    def waits(self, seconds: float) -> str:
        self.now += seconds
        return self.post.look()


def test_it_is_started_again_after_a_pause_that_doubles_with_each_death_at_once() -> None:
    watch = Watch()
    first = watch.post.part
    assert "ended with status 1; it is started again in 0.5 s" in watch.dies()
    assert watch.waits(0.4) == "" and watch.post.part is first
    assert watch.waits(0.2) == "web is started again" and watch.post.part is not first
    assert "again in 1 s" in watch.dies()


def test_the_third_death_at_once_ends_it_with_its_last_words() -> None:
    watch = Watch()
    for _ in range(2):
        watch.dies()
        watch.waits(5)
    with pytest.raises(PartDied, match=r"3 times at once; ending the rest. It said: the last line"):
        watch.dies()


def test_one_that_lived_for_a_while_has_been_well() -> None:
    watch = Watch()
    for _ in range(5):
        watch.now += QUICK_SECONDS + 1
        assert "again in 0.5 s" in watch.dies()
        watch.waits(1)


def test_one_that_says_that_a_setting_is_wrong_is_not_tried_again() -> None:
    with pytest.raises(PartDied, match="status 2"):
        Watch().dies(code=2)
