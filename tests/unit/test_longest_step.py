"""The watch over the loop's longest step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import gevent
import pytest
from gevent import socket

from hub.fanout.longest_step import LongestStep
from hub.fanout.pace import Pace

STEP = 0.2


@pytest.fixture
def watch() -> Iterator[LongestStep]:
    watch = LongestStep()
    watch.start()
    gevent.sleep(0.001)
    yield watch
    watch.stop()


def in_a_timer() -> None:
    gevent.sleep(0.001)
    time.sleep(STEP)


def in_a_new_greenlet() -> None:
    gevent.spawn(time.sleep, STEP).join()


def in_many_small_turns() -> None:
    """Those who only give their turn away keep the loop from its sockets."""
    give_up = time.monotonic() + STEP
    while time.monotonic() < give_up:
        time.sleep(0.01)
        gevent.sleep(0)


def behind_a_socket() -> None:
    here, there = socket.socketpair()

    def read() -> None:
        there.recv(1)
        time.sleep(STEP)

    reading = gevent.spawn(read)
    gevent.sleep(0.001)
    here.send(b"x")
    reading.join()
    here.close()
    there.close()


@pytest.mark.parametrize(
    "hold", [in_a_timer, in_a_new_greenlet, in_many_small_turns, behind_a_socket]
)
def test_a_step_is_seen_wherever_it_is_made(watch: LongestStep, hold: Callable[[], None]) -> None:
    hold()
    gevent.sleep(0.001)
    assert watch.figures()["longest_step"] > STEP / 2


def test_waiting_is_no_step_and_sleeping_takes_none_of_the_processor(watch: LongestStep) -> None:
    gevent.sleep(1.5 * STEP)
    in_a_timer()
    gevent.sleep(0.001)
    figures = watch.figures()
    assert figures["longest_step_cpu"] < STEP / 2 < figures["longest_step"]


def test_work_at_a_pace_has_short_steps(watch: LongestStep) -> None:
    pace, give_up = Pace(), time.thread_time() + STEP
    while time.thread_time() < give_up:
        pace.step()
    gevent.sleep(0.001)
    assert watch.figures()["longest_step_cpu"] < STEP / 4


def test_a_long_step_is_forgotten_after_two_minutes() -> None:
    clock = iter((0.0, 0.0, 3.0, 50.0, 100.0, 170.0)).__next__
    watch = LongestStep(clock, lambda: 0.0)
    watch._looked()
    watch._looks()
    assert [watch.figures()["longest_step"] for _ in range(3)] == [3.0, 3.0, 0.0]
