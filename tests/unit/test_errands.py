"""Greenlets that run one errand behind another."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextvars import ContextVar

import gevent
import pytest
from gevent.event import Event

from hub.web.errands import MOST_IDLE, Errands
from tests.support.deadline import patience

named: ContextVar[str] = ContextVar("named", default="nobody")


@pytest.fixture
def errands() -> Errands:
    return Errands()


def until(condition: Callable[[], object]) -> None:
    with gevent.Timeout(10 * patience()):
        while not condition():
            gevent.sleep(0.001)


def once(errands: Errands) -> gevent.Greenlet:
    """The greenlet that an errand ran in, which is over."""
    found: list[gevent.Greenlet] = []
    errands.run(lambda: found.append(gevent.getcurrent()))
    until(lambda: found)
    return found[0]


def test_one_behind_the_other_run_in_one_greenlet(errands: Errands) -> None:
    assert once(errands) is once(errands)


def test_of_many_at_once_those_that_need_not_wait_share_one_greenlet(errands: Errands) -> None:
    once(errands)
    seen: list[gevent.Greenlet] = []
    for _ in range(100):
        errands.run(lambda: seen.append(gevent.getcurrent()))
    until(lambda: len(seen) == 100)
    assert len(set(seen)) == 1


def test_one_that_waits_holds_up_no_other(errands: Errands) -> None:
    gate, done = Event(), list[str]()

    def first() -> None:
        gate.wait()
        done.append("first")

    errands.run(first)
    for name in ("second", "third"):
        errands.run(done.append, name)
    until(lambda: len(done) == 2)
    assert done == ["second", "third"]
    gate.set()
    until(lambda: done[2:] == ["first"])


def test_one_that_fails_takes_nothing_along(errands: Errands) -> None:
    seen: list[object] = []
    hub = gevent.get_hub()
    before, hub.handle_error = hub.handle_error, lambda *told: seen.append(told[1])
    try:
        errands.run(lambda: [][0])
        until(lambda: seen)
    finally:
        hub.handle_error = before
    assert seen == [IndexError]
    once(errands)


def test_none_finds_what_the_one_before_it_has_left(errands: Errands) -> None:
    class Thing: ...

    def leave(kept: Thing) -> None:
        named.set("somebody")

    thing, found = Thing(), list[str]()
    gone = weakref.ref(thing)
    errands.run(leave, thing)
    del thing
    until(lambda: gone() is None)
    errands.run(lambda: found.append(named.get()))
    until(lambda: found == ["nobody"])


def test_after_a_crowd_a_few_stay_and_one_that_was_killed_is_not_used(errands: Errands) -> None:
    gate, seen = Event(), set[gevent.Greenlet]()

    def wait() -> None:
        seen.add(gevent.getcurrent())
        gate.wait()

    for _ in range(3 * MOST_IDLE):
        errands.run(wait)
    until(lambda: len(seen) == 3 * MOST_IDLE)
    gate.set()
    until(lambda: sum(greenlet.dead for greenlet in seen) == 2 * MOST_IDLE)
    gevent.killall([greenlet for greenlet in seen if not greenlet.dead])
    assert once(errands) not in seen
