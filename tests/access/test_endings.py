"""Which streams end when, and why: on a clock that the test turns."""

from __future__ import annotations

from typing import cast

import pytest

from hub.fanout.endings import Endings
from hub.fanout.listener import Listener


class Stream:
    """A listener as `Endings` sees it."""

    def __init__(self, expires: float | None = None, token: str = "") -> None:
        self.expires, self.token = expires, token
        self.told: list[tuple[str, bool]] = []

    def say_closing(self, reason: str, *, reconnect: bool) -> None:
        self.told.append((reason, reconnect))


class World:
    def __init__(self) -> None:
        self.now = 1000.0
        self.endings = Endings(lambda: self.now)

    def opened(self, expires: float | None = None, token: str = "") -> Stream:
        stream = Stream(expires, token)
        self.endings.add(cast(Listener, stream))
        return stream

    def left(self, stream: Stream) -> None:
        self.endings.remove(cast(Listener, stream))

    def at(self, now: float) -> None:
        self.now = now
        self.endings.turn()


@pytest.fixture
def world() -> World:
    return World()


def test_a_stream_ends_at_its_second_and_not_before(world: World) -> None:
    stream, other, endless = world.opened(1010), world.opened(1011), world.opened()
    world.at(1009.9)
    assert not stream.told
    world.at(1010)
    assert stream.told == [("token-expired", True)]
    world.at(1011.5)
    assert other.told == [("token-expired", True)]
    world.at(1e6)
    assert len(stream.told) == 1 and not endless.told


def test_one_that_has_left_is_forgotten(world: World) -> None:
    stream = world.opened(1010, "j")
    world.left(stream)
    world.endings.revoke("j", 2000)
    world.at(1020)
    assert not stream.told
    assert not world.endings._by_second and not world.endings._by_token


def test_a_token_whose_hour_has_passed_ends_at_once(world: World) -> None:
    """It lived on the difference of the clocks, or the process was held up."""
    stream = world.opened(900)
    world.at(1001)
    assert stream.told == [("token-expired", True)]


def test_a_clock_that_was_put_back_lets_no_token_outlive_its_second(world: World) -> None:
    """It had been an hour ahead: what begins now ends by the clock of now."""
    early = world.opened(1500)
    world.at(4600)
    assert early.told == [("token-expired", True)]
    world.at(1001)
    stream = world.opened(1100)
    world.at(1099)
    assert not stream.told
    world.at(1100)
    assert stream.told == [("token-expired", True)]


def test_a_clock_that_was_held_up_misses_nobody(world: World) -> None:
    streams = [world.opened(1000 + second) for second in range(1, 500)]
    world.at(2000)
    assert all(stream.told == [("token-expired", True)] for stream in streams)


def test_a_revoked_token_ends_its_streams_and_no_other(world: World) -> None:
    streams, other = [world.opened(1010, "j") for _ in range(3)], world.opened(1010, "k")
    world.endings.revoke("j", 1010)
    world.at(1000.1)
    assert all(stream.told == [("revoked", False)] for stream in streams)
    assert not other.told


def test_a_token_that_was_revoked_while_its_stream_was_prepared_ends_it(world: World) -> None:
    world.endings.revoke("j", 2000)
    stream = world.opened(2000, "j")
    world.at(1000.1)
    assert stream.told == [("revoked", False)]


def test_a_revocation_is_forgotten_when_the_token_would_have_ended(world: World) -> None:
    world.endings.revoke("j", 1010)
    world.endings.revoke("k", 5000)
    world.at(1009)
    assert world.endings.is_revoked("j")
    world.at(1100)
    assert not world.endings.is_revoked("j") and world.endings.is_revoked("k")


def test_of_two_revocations_of_one_token_the_later_end_counts(world: World) -> None:
    world.endings.revoke("j", 5000)
    world.endings.revoke("j", 1010)
    world.at(1100)
    assert world.endings.is_revoked("j")
