"""Loops that die, stand still, end and are stopped, and what is seen of it."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator

import gevent
import pytest
from gevent.event import Event

from hub.fanout.loops import Loop, Loops


@pytest.fixture
def loops(caplog: pytest.LogCaptureFixture) -> Iterator[Loops]:
    logging.getLogger("hub").propagate = True
    loops = Loops(stuck_seconds=0.05)
    yield loops
    loops.stop()


def settle(condition: Callable[[], object], within_seconds: float = 10) -> None:
    with gevent.Timeout(within_seconds):
        while not condition():
            gevent.sleep(0.002)


class Body:
    """Counts its beginnings and its steps; each `wake` is one step, which may go wrong."""

    def __init__(self) -> None:
        self.begun = 0
        self.steps = 0
        self.wake = Event()
        self.raises: Exception | None = None
        self.block = Event()
        self.block.set()

    def __call__(self, loop: Loop) -> None:
        self.begun += 1
        while True:
            loop.wait(self.wake)
            self.wake.clear()
            if self.raises:
                raise self.raises
            self.block.wait()
            self.steps += 1


def test_a_loop_that_raises_is_logged_with_its_traceback_and_begun_again(
    loops: Loops, caplog: pytest.LogCaptureFixture
) -> None:
    body = Body()
    loop = loops.start("work", body)
    settle(lambda: body.begun)
    body.raises = ZeroDivisionError("by chance")
    body.wake.set()
    settle(lambda: loop.trouble)
    assert loops.troubles() == ["work has died"]
    body.raises = None
    settle(lambda: body.begun == 2)
    assert loops.troubles() == []
    body.wake.set()
    settle(lambda: body.steps == 1)
    assert loops.figures()["restarts:work"] == 1
    assert "loop work died" in caplog.text
    assert "ZeroDivisionError: by chance" in caplog.text and "Traceback" in caplog.text


def test_a_loop_that_is_killed_is_begun_again(
    loops: Loops, caplog: pytest.LogCaptureFixture
) -> None:
    body = Body()
    loop = loops.start("work", body)
    settle(lambda: body.begun)
    loop.greenlet.kill()
    settle(lambda: body.begun == 2)
    assert "loop work was killed" in caplog.text


def test_a_loop_that_goes_on_dying_is_begun_again_more_and_more_slowly(loops: Loops) -> None:
    begun: list[float] = []

    def body(loop: Loop) -> None:
        begun.append(loops.clock())
        raise ZeroDivisionError

    loops.start("work", body)
    settle(lambda: len(begun) == 5)
    pauses = [later - earlier for earlier, later in itertools.pairwise(begun)]
    assert pauses[3] > 4 * pauses[0]


@pytest.mark.parametrize("restart_stuck", [False, True])
def test_a_loop_that_makes_no_progress_is_seen_and_logged_with_its_place(
    loops: Loops, caplog: pytest.LogCaptureFixture, restart_stuck: bool
) -> None:
    body = Body()
    loop = loops.start("work", body, restart_stuck=restart_stuck)
    body.block.clear()
    body.wake.set()
    settle(lambda: loop.trouble)
    assert loops.troubles() == ["work makes no progress"]
    assert loops.figures()["stuck:work"] == 1
    assert "loop work makes no progress" in caplog.text
    assert "self.block.wait()" in caplog.text, "the place at which it stands"
    if restart_stuck:
        settle(lambda: body.begun == 2)
    body.block.set()
    settle(lambda: not loops.troubles())
    body.wake.set()
    settle(lambda: body.steps)
    assert loops.figures() == {"restarts:work": int(restart_stuck), "stuck:work": 0}


def test_a_loop_that_waits_for_something_to_do_is_not_stuck(loops: Loops) -> None:
    body = Body()
    loops.start("work", body)
    gevent.sleep(4 * loops.stuck_seconds)
    assert loops.troubles() == []


def test_a_loop_whose_body_returns_is_over(loops: Loops) -> None:
    loop = loops.start("work", lambda _: None)
    settle(lambda: loop.greenlet.dead)
    settle(lambda: not loops.loops())
    assert loops.figures() == {}


def test_a_loop_that_is_stopped_stays_so(loops: Loops) -> None:
    body = Body()
    loop = loops.start("work", body)
    settle(lambda: body.begun)
    loop.stop()
    gevent.sleep(0.1)
    assert (body.begun, loops.troubles(), loops.loops()) == (1, [], [])
