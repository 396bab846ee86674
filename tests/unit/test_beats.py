"""Heartbeats, and what a listener does with a socket that takes nothing. Time is passed in."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence
from random import Random
from typing import Any

import pytest

from hub.fanout.group import Group
from hub.fanout.heartbeats import TICK_SECONDS, Heartbeats
from hub.fanout.listener import Listener, Source, State
from hub.fanout.loops import Loops
from hub.fanout.rendering import Item, Plain, Rendered, Rendering
from hub.fanout.stalls import LOOKS, Stalls
from hub.fanout.turns import Turns
from hub.metrics import Counters
from hub.store.chunk import Chunk


class Quiet:
    """A channel where nothing happens."""

    channel, head, end = "news", "5-0", ""
    deletions, listeners, listeners_elsewhere = 0, 1, 41

    def __init__(self) -> None:
        self.groups: list[Group] = []

    def after(self, position: str, size: int = 0) -> list[Chunk] | None:
        return []


class Books:
    """What a listener tells its keeper."""

    def __init__(self) -> None:
        self.left: list[str] = []

    def later(self, step: Callable[[], None]) -> None:
        step()

    def retry_ms(self) -> int:
        return 5

    def fetch(self, listener: Listener, index: int) -> None:
        raise AssertionError("nothing is to be fetched")

    def place_at(
        self, rooms: tuple[Source, ...], rendering: Rendering, positions: list[str]
    ) -> Group:
        group = Group(rooms, rendering, positions, Turns(), Counters())  # type: ignore[arg-type]
        for room in rooms:
            room.groups.append(group)  # type: ignore[attr-defined]
        return group

    def closed(self, listener: Listener, reason: str) -> None:
        self.left.append(reason)


class Pipe:
    """A transport that takes `room` bytes."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.room = room
        self.got = b""
        self.writable: Callable[[], None] | None = None
        self.accepted: int | None = None

    def send(self, data: bytes) -> int:
        if not self.room:
            raise BlockingIOError
        sent = min(self.room, len(data))
        self.room -= sent
        self.got += data[:sent]
        return sent

    def when_writable(self, callback: Callable[[], None]) -> None:
        self.writable = callback

    def when_gone(self, callback: Callable[[], None]) -> None:
        self.gone = callback

    def progress(self) -> Hashable | None:
        return self.accepted

    def break_off(self) -> None:
        self.broken_off = True

    def close(self, *, whole: bool = False) -> None:
        self.room = 0

    def drain(self, room: int) -> None:
        self.room = room
        callback, self.writable = self.writable, None
        assert callback is not None
        callback()


def listener(books: Books, pipe: Pipe, **options: Any) -> Listener:
    wanted = {"heartbeat_seconds": 15, "heartbeat_comments": False, "quiet": False, **options}
    made = Listener(books, (Quiet(),), Plain(), ["5-0"], address="-", **wanted)
    made.start(pipe, b"head\n\n")
    return made


def beat(rooms: tuple[Source, ...]) -> bytes:
    return b"event: heartbeat\ndata: {}\n\n"


def test_a_listener_at_the_head_gets_its_beat() -> None:
    pipe = Pipe()
    one = listener(Books(), pipe)
    assert one.group is not None
    one.beat(beat)
    assert pipe.got == b"head\n\n" + beat(())


@pytest.mark.parametrize("options", [{"heartbeat_comments": True}, {"quiet": True}], ids=str)
def test_a_comment_is_a_colon_and_one_newline(options: Mapping[str, bool]) -> None:
    pipe = Pipe()
    listener(Books(), pipe, **options).beat(beat)
    assert pipe.got == b"head\n\n:\n"


def test_a_listener_that_takes_not_even_a_beat_is_full_until_it_takes_something() -> None:
    books, pipe = Books(), Pipe(room=len(b"head\n\n"))
    one = listener(books, pipe)
    one.beat(beat)
    assert one.full
    one.beat(beat)
    assert one.full
    pipe.drain(1000)
    assert one.group is not None
    one.beat(beat)
    assert pipe.got == b"head\n\n" + beat(())


@pytest.mark.parametrize("sent", range(1, len(beat(()))))
def test_a_beat_that_does_not_fit_is_finished_before_anything_else(sent: int) -> None:
    books, pipe = Books(), Pipe(room=len(b"head\n\n") + sent)
    one = listener(books, pipe)
    one.beat(beat)
    one.beat(beat)
    assert one.full
    pipe.drain(1000)
    one.beat(beat)
    assert pipe.got == b"head\n\n" + beat(()) * 2


def test_closing_is_said_between_whole_events_or_not_at_all() -> None:
    whole, half = Pipe(), Pipe(room=3)
    books = Books()
    for pipe in (whole, half):
        listener(books, pipe).say_closing("shutdown", reconnect=True)
    assert whole.got.startswith(b"head\n\nevent: closing\nretry: 5\n")
    assert half.got == b"hea"
    assert books.left == ["shutdown", "shutdown"]


def test_a_listener_is_told_of_its_end_once() -> None:
    books = Books()
    one = listener(books, Pipe())
    one.close("stalled")
    one.lost()
    one.say_closing("shutdown", reconnect=True)
    one.beat(beat)
    assert books.left == ["stalled"]


# ── stalls ─────────────────────────────────────────────────────────────────────────────────────


def test_a_listener_that_was_owed_bytes_at_every_look_and_accepted_none_has_stalled() -> None:
    stalls, pipe = Stalls(), Pipe()
    one = listener(Books(), pipe)
    pipe.accepted = 5
    assert [stalls.look(one) for _ in range(LOOKS + 1)] == [False] * LOOKS + [True]


@pytest.mark.parametrize("between", [6, None], ids=["accepts some", "accepts all"])
def test_a_listener_that_accepts_something_between_two_looks_begins_again(
    between: int | None,
) -> None:
    stalls, pipe = Stalls(), Pipe()
    one = listener(Books(), pipe)
    for accepted in (5, between, 7):
        pipe.accepted = accepted
        assert not any(stalls.look(one) for _ in range(LOOKS))
    assert stalls.look(one)


def test_who_is_given_up_counts_as_left_for_what_was_to_be_done_then() -> None:
    books, pipe, called = Books(), Pipe(), []
    one = listener(books, pipe)
    one.when_left = lambda: called.append("left")
    one.give_up()
    one.lost()
    assert pipe.broken_off
    assert (called, books.left) == (["left"], ["stalled"])


# ── the wheel ────────────────────────────────────────────────────────────────────────────────


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Turning:
    """A wheel, its clock, and when each listener's beats came."""

    def __init__(self, periods: list[int]) -> None:
        self.clock = Clock()
        self.wheel = Heartbeats(Random(7), self.clock)
        self.pipes = [Pipe() for _ in periods]
        books = Books()
        self.listeners = [
            listener(books, pipe, heartbeat_seconds=period, heartbeat_comments=True)
            for pipe, period in zip(self.pipes, periods, strict=True)
        ]
        for one in self.listeners:
            self.wheel.add(one)
        self.beats: list[list[float]] = [[] for _ in periods]

    def turn(self, seconds: float) -> None:
        self.clock.now += seconds
        before = [pipe.got.count(b":") for pipe in self.pipes]
        self.wheel.turn()
        for beats, pipe, had in zip(self.beats, self.pipes, before, strict=True):
            beats += [self.clock.now] * (pipe.got.count(b":") - had)

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds / TICK_SECONDS)):
            self.turn(TICK_SECONDS)


def test_each_listener_beats_in_its_own_period_from_the_first_one_on() -> None:
    periods = [1, 2, 15, 300]
    turning = Turning(periods)
    turning.run(601)
    for beats, period in zip(turning.beats, periods, strict=True):
        assert 1000 < beats[0] <= 1000 + period
        assert {b - a for a, b in itertools.pairwise(beats)} == {period}


def test_the_beats_of_many_are_spread_evenly_over_the_period() -> None:
    turning = Turning([10] * 1000)
    turning.run(10)
    seconds = [int(beats[0] - 1000.001) for beats in turning.beats]
    assert all(60 < seconds.count(second) < 140 for second in range(10))


def test_a_process_that_was_held_up_does_not_make_up_for_the_beats_it_missed() -> None:
    turning = Turning([1] * 5)
    turning.run(2)
    had = [len(beats) for beats in turning.beats]
    turning.turn(60)
    assert [len(beats) - h for beats, h in zip(turning.beats, had, strict=True)] == [1] * 5
    turning.run(5)
    assert [len(beats) - h for beats, h in zip(turning.beats, had, strict=True)] == [6] * 5


def test_one_who_left_is_forgotten() -> None:
    turning = Turning([1, 1])
    turning.listeners[0].close("left")
    turning.run(3)
    assert [len(beats) for beats in turning.beats] == [0, 3]
    assert sum(len(slot) for slot in turning.wheel._slots.values()) == 1


def test_thousands_who_come_and_go_between_two_beats_are_not_kept_until_the_next() -> None:
    wheel = Heartbeats(Random(1), clock=lambda: 0.0)
    stays = listener(Books(), Pipe(), heartbeat_seconds=300)
    wheel.add(stays)
    for _ in range(5000):
        one = listener(Books(), Pipe(), heartbeat_seconds=300)
        wheel.add(one)
        one.close("left")
        wheel.closed()
    assert wheel.held < 2100


def test_dropping_the_closed_costs_nobody_else_a_beat() -> None:
    now = [0.0]
    wheel = Heartbeats(Random(1), clock=lambda: now[0])
    pipes = [Pipe() for _ in range(50)]
    for pipe in pipes:
        wheel.add(listener(Books(), pipe, heartbeat_seconds=1))
        for _ in range(100):
            one = listener(Books(), Pipe(), heartbeat_seconds=1)
            wheel.add(one)
            one.close("left")
            wheel.closed()
    for now[0] in (0.5, 1.0, 1.5, 2.0, 2.5, 3.0):
        wheel.turn()
    assert {pipe.got.count(b"event: heartbeat") for pipe in pipes} == {3}
    assert wheel.held == 50


def test_a_listener_s_state_has_a_name_at_each_step() -> None:
    pipe = Pipe()
    one = listener(Books(), pipe)
    states = [one.state]
    pipe.room = 5
    one.beat(beat)
    states.append(one.state)
    pipe.drain(1 << 20)
    states.append(one.state)
    one.detach()
    states.append(one.state)
    one.end_after("gone")
    states.append(one.state)
    one.advance()
    states.append(one.state)
    assert states == [
        State.AT_HEAD,
        State.FULL,
        State.AT_HEAD,
        State.BEHIND,
        State.ENDING,
        State.CLOSED,
    ]


# ── a client that is gone ────────────────────────────────────────────────────────────────────


class Broken(Pipe):
    """A connection that breaks at the next send behind `room` bytes."""

    def send(self, data: bytes) -> int:
        if self.room < len(data):
            raise ConnectionResetError
        return super().send(data)


def test_a_client_that_is_gone_at_its_head_or_a_beat_has_left() -> None:
    books, told = Books(), []
    listener(books, Broken(0))
    one = listener(books, Broken(len(b"head\n\n")))
    one.when_left = lambda: told.append(1)
    one.beat(beat)
    one.lost()
    assert books.left == ["left", "left"]
    assert told == [1]


def test_a_client_that_is_gone_before_it_could_be_told_of_the_end_is_ended_all_the_same() -> None:
    books = Books()
    one = listener(books, Broken(len(b"head\n\n")))
    one.say_closing("shutdown", reconnect=True)
    assert books.left == ["shutdown"]


class Unrenderable(Plain):
    def render(self, items: Sequence[Item], positions: list[str]) -> Rendered:
        raise ValueError("cannot be rendered")


def test_a_group_that_cannot_be_served_ends_its_own_streams_and_no_others() -> None:
    books, turns = Books(), Turns()
    mine, others = listener(books, Pipe()), listener(books, Pipe())
    group, other = mine.group, others.group
    assert isinstance(group, Group) and isinstance(other, Group) and group is not other
    group._next_wire = Unrenderable()
    for each in (group, other):
        each.news(each.rooms[0], Chunk("5-0", "6-0", 1, 1, b"data: x\n\n", 0, False))
        turns.add(each.take_turn)
    loops = Loops()
    loop = loops.start("test", turns.run)
    turns.deliver(loop)
    loops.stop()
    assert books.left == ["error"]
    assert mine.closed
    assert not others.closed
