"""Pauses that grow."""

from __future__ import annotations

from hub.backoff import Backoff


def test_each_pause_is_twice_the_one_before_up_to_the_bound() -> None:
    backoff = Backoff(0.1, 0.5)
    assert [backoff.take() for _ in range(5)] == [0.1, 0.2, 0.4, 0.5, 0.5]


def test_it_begins_again_when_the_thing_has_worked() -> None:
    backoff = Backoff(0.1, 0.5)
    begun = [backoff.begun]
    backoff.take()
    begun.append(backoff.begun)
    backoff.reset()
    begun.append(backoff.begun)
    assert begun == [False, True, False]
    assert backoff.seconds == 0.1
