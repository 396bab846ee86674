"""A listener that is led back while what it is to be sent is rendered, which may take a while in
which others run: what they do to it meanwhile, and that its bytes are right all the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import gevent
import pytest

from hub.fanout.channel_kind import Snapshot
from hub.fanout.group import Group
from hub.fanout.listener import Listener, Source, State
from hub.fanout.loops import Loops
from hub.fanout.rendering import Item, Plain, Rendered, Rendering
from hub.fanout.turns import Turns
from hub.metrics import Counters
from hub.store.chunk import Chunk, Segment
from hub.store.frame import Frame
from tests.unit.test_beats import Books, Pipe, beat


def block(number: int) -> bytes:
    return b"id: %d-0\ndata: %s\n\n" % (number, b"%d" % number * 40)


class Line:
    """A channel whose events are all in memory."""

    channel, end = "news", ""
    deletions, listeners, listeners_elsewhere = 0, 1, 0

    def __init__(self, events: int) -> None:
        self.head = "0-0"
        self.groups: list[Group] = []
        self._memory = Segment()
        self._n = 0
        for _ in range(events):
            self.publish()

    def publish(self, count: int = 1) -> Chunk:
        data = b"".join(map(block, range(self._n + 1, self._n + count + 1)))
        self._n += count
        chunk = Chunk(self.head, f"{self._n}-0", count, self._n, data, 0, False)
        self.head = chunk.last
        self._memory.append(chunk)
        for group in self.groups:
            group.news(self, chunk)
        return chunk

    def after(self, position: str, size: int = 1) -> list[Chunk] | None:
        return self._memory.after(position, 1)  # one at a time, however small

    def sent(self, first: int = 1) -> bytes:
        return b"".join(map(block, range(first, self._n + 1)))


@dataclass(frozen=True)
class Slow:
    """Moves the positions first, as a dialect does, then lets others run."""

    meanwhile: deque[Callable[[], None]] = field(default_factory=deque, compare=False)

    def _others(self) -> None:
        if self.meanwhile:
            self.meanwhile.popleft()()

    def render(self, items: Sequence[Item], positions: list[str]) -> Rendered:
        data, _ = Plain().render(items, positions)
        self._others()
        return data, self

    def frame(self, index: int, frame: Frame, positions: list[str]) -> Rendered:
        data, _ = Plain().frame(index, frame, positions)
        self._others()
        return data, self


class Keeping(Books):
    """What is left for later is done when the test says so; groups are found again."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = Turns()
        self.put_off: deque[Callable[[], None]] = deque()
        self.fetched: list[Listener] = []

    def later(self, step: Callable[[], None]) -> None:
        self.put_off.append(step)

    def fetch(self, listener: Listener, index: int) -> None:
        self.fetched.append(listener)

    def place_at(
        self, rooms: tuple[Source, ...], rendering: Rendering, positions: list[str]
    ) -> Group:
        (line,) = rooms
        assert isinstance(line, Line)
        for group in line.groups:
            if group.positions == positions and group.standing == rendering:
                return group
        group = Group((line,), rendering, list(positions), self.turns, Counters())
        line.groups.append(group)
        return group

    def do_all(self) -> None:
        for _ in range(100):
            if not self.put_off:
                return
            self.put_off.popleft()()
        raise AssertionError("there is no end to it")


@dataclass
class Led:
    """A listener that stands before `line`'s first event."""

    line: Line
    room: int = 1 << 30
    books: Keeping = field(default_factory=Keeping)
    rendering: Slow = field(default_factory=Slow)

    def __post_init__(self) -> None:
        self.pipe = Pipe()
        self.one = Listener(
            self.books,
            (self.line,),
            self.rendering,
            ["0-0"],
            heartbeat_seconds=15,
            heartbeat_comments=False,
            quiet=False,
            address="-",
        )

    def start(self) -> None:
        self.one.start(self.pipe, b"")

    def meanwhile(self, *steps: Callable[[], None]) -> None:
        self.rendering.meanwhile.extend([_nothing, *steps])  # the first travels with the head

    @property
    def got(self) -> bytes:
        return self.pipe.got

    def at_head(self) -> bool:
        self.books.do_all()
        return self.one.state is State.AT_HEAD


def _nothing() -> None:
    pass


def test_led_again_meanwhile_it_gets_each_event_once_and_in_order() -> None:
    led = Led(Line(6))
    led.meanwhile(*[led.one.advance] * 5)
    led.start()
    assert led.at_head()
    assert led.got == led.line.sent()
    assert led.one.events == led.one.group.events + 6  # type: ignore[union-attr]


def test_what_is_published_meanwhile_comes_behind_it() -> None:
    led = Led(Line(3))

    def more() -> None:
        led.line.publish(2)
        led.one.advance()

    led.meanwhile(more, more)
    led.start()
    assert led.at_head()
    assert led.got == led.line.sent()


@pytest.mark.parametrize("room", [0, 10, 1 << 30])
def test_a_beat_that_is_due_meanwhile_is_left_out(room: int) -> None:
    led = Led(Line(3))

    def beaten() -> None:
        led.pipe.room = room
        led.one.beat(beat)
        led.pipe.room = 1 << 30

    led.meanwhile(beaten)
    led.start()
    assert led.at_head()
    assert led.got == led.line.sent()
    assert led.pipe.writable is None


def test_nothing_comes_behind_the_word_that_it_ends() -> None:
    led = Led(Line(3))
    led.meanwhile(lambda: led.one.say_closing("shutdown", reconnect=True))
    led.pipe.close = lambda *, whole=False: None  # type: ignore[method-assign]
    led.start()
    assert led.books.left == ["shutdown"]
    assert led.got.count(b"event: closing") == 1
    assert led.got.endswith(led.got[led.got.index(b"event: closing") :])
    assert block(2) not in led.got


def test_a_snapshot_that_comes_meanwhile_takes_the_place_of_what_was_rendered() -> None:
    led = Led(Line(4))
    frame = Frame("3-0", "3-0", 3, b"id: 3-0\nevent: snapshot\ndata: {}\n\n")

    def put() -> None:
        made = led.one.render_snapshot(0, Snapshot(frame, "3-0", None))
        led.one.insert_snapshot(made)

    led.meanwhile(put)
    led.start()
    assert led.at_head()
    assert led.got == block(1) + frame.data + block(4)


def test_a_terminal_event_that_is_long_in_the_making_is_not_ended_without() -> None:
    led = Led(Line(0))
    led.line.head = led.line.end = "3-0"
    frame = Frame("2-0", "2-0", 2, b"id: 2-0\nevent: snapshot\ndata: {}\n\n")
    terminal = Frame("3-0", "2-0", 3, b"id: 3-0\nevent: completed\ndata: {}\n\n")
    led.start()
    assert led.books.fetched == [led.one]
    led.rendering.meanwhile.extend([led.one.advance, led.one.advance])
    led.one.insert_snapshot(led.one.render_snapshot(0, Snapshot(frame, "3-0", terminal)))
    led.one.advance()
    led.books.do_all()
    assert led.got == frame.data + terminal.data
    assert led.books.left == ["ended"]


@pytest.mark.parametrize("room", [0, 1, 90, 91, 170, 300])
def test_a_socket_that_is_free_again_while_its_rest_is_looked_for_goes_on(room: int) -> None:
    led = Led(Line(1))
    led.line.publish(4)  # one chunk, which is cut at a frame

    def full() -> None:
        led.pipe.room = room

    def free() -> None:
        if led.pipe.writable:
            led.pipe.drain(1 << 30)

    led.meanwhile(full, free)
    led.start()
    free()
    assert led.at_head()
    assert led.got == led.line.sent()


def test_one_that_leaves_meanwhile_is_sent_nothing_more() -> None:
    led = Led(Line(3))
    led.meanwhile(lambda: led.one.close("left"))
    led.start()
    assert led.got == block(1)
    assert led.books.left == ["left"]


def test_what_cannot_be_rendered_ends_its_own_stream_and_no_loop() -> None:
    led = Led(Line(3))

    def fails() -> None:
        raise ValueError("cannot be rendered")

    led.meanwhile(fails)
    led.start()
    assert led.books.left == ["error"]


# ── at the head ──────────────────────────────────────────────────────────────────────────────


def deliver(led: Led) -> None:
    loops = Loops()
    led.books.turns.deliver(loops.start("test", led.books.turns.run))
    loops.stop()


def test_who_comes_leaves_or_is_slow_while_a_group_s_news_are_rendered_lacks_nothing() -> None:
    line, books, rendering = Line(0), Keeping(), Slow()
    stays, leaves, slow, comes = [Led(line, books=books, rendering=rendering) for _ in range(4)]
    for each in (stays, leaves, slow):
        each.start()
    group = stays.one.group
    assert slow.one.group is leaves.one.group is group is not None

    def meanwhile() -> None:
        comes.start()
        leaves.one.detach()
        leaves.one.advance()
        slow.pipe.room = 100
        line.publish()

    rendering.meanwhile.append(meanwhile)
    line.publish(3)
    deliver(stays)
    books.do_all()
    slow.pipe.drain(1 << 30)
    books.do_all()
    line.publish(2)
    deliver(stays)
    books.do_all()
    for each in (stays, leaves, slow, comes):
        assert each.got == line.sent()
        assert each.one.state is State.AT_HEAD
        assert each.one.events + each.one.group.events == 6  # type: ignore[union-attr]


def test_a_group_whose_loop_is_killed_while_its_news_are_rendered_gets_them_from_the_next() -> None:
    line = Line(0)
    led = Led(line)
    led.start()

    def killed() -> None:
        raise gevent.GreenletExit

    led.rendering.meanwhile.append(killed)
    line.publish(2)
    with pytest.raises(gevent.GreenletExit):
        deliver(led)
    line.publish()
    deliver(led)
    assert led.got == line.sent()


def test_a_listener_whose_loop_is_killed_while_it_is_led_is_led_by_the_next() -> None:
    led, loops = Led(Line(3)), Loops()

    def killed() -> None:
        raise gevent.GreenletExit

    led.meanwhile(killed, led.one.advance)
    led.books.later = led.books.turns.later  # type: ignore[method-assign]
    led.one._transport = led.pipe
    led.rendering.meanwhile.popleft()
    led.books.later(led.one.advance)
    loops.start("turns", led.books.turns.run)
    with gevent.Timeout(20):
        while led.one.state is not State.AT_HEAD:
            gevent.sleep(0.01)
    loops.stop()
    assert led.got == led.line.sent()
