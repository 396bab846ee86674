"""A listener whose next bytes take a while to render, and what happens to it meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gevent
import pytest
from gevent.event import Event as Signal

from hub import sse
from hub.event import Event
from hub.fanout.channel_kind import Snapshot
from hub.fanout.listener import Listener
from hub.fanout.rendering import Item, Rendering
from hub.store.chunk import Chunk
from hub.store.frame import Frame
from tests.unit.test_beats import Books, Pipe, Quiet, beat


def frame(number: int) -> Frame:
    event_id = f"{number}-0"
    data = sse.encode(Event(f"number {number}"), event_id)
    return Frame(event_id, f"{number - 1}-0", number, data)


class Remembering(Quiet):
    """A channel whose newest event, 5-0, is in memory."""

    def after(self, position: str, size: int = 0) -> list[Chunk] | None:
        return [Chunk.of([frame(5)])] if position == "4-0" else []


class Slow:
    """A rendering that waits in the middle, as a large block does between its steps."""

    def __init__(self) -> None:
        self.rendering, self.go_on = Signal(), Signal()

    def render(self, items: Sequence[Item], positions: list[str]) -> tuple[bytes, Rendering | None]:
        positions[0] = items[-1][1].last
        self.rendering.set()
        self.go_on.wait()
        return b"".join(chunk.data for _, chunk in items), self

    def frame(
        self, index: int, frame: Frame, positions: list[str]
    ) -> tuple[bytes, Rendering | None]:
        return self.render([(index, Chunk.of([frame]))], positions)


def led(slow: Slow, pipe: Pipe, books: Books, position: str) -> Listener:
    """A listener behind the head that has sent its own head, and is led by nobody yet."""
    options = {"heartbeat_seconds": 15, "heartbeat_comments": False, "quiet": False}
    one = Listener(books, (Remembering(),), slow, [position], address="-", **options)  # type: ignore[arg-type]
    one._transport = pipe
    return one


def half_a_beat(one: Listener, pipe: Pipe) -> None:
    pipe.room = 5
    one.beat(beat)
    pipe.room = 1 << 30


MEANWHILE: dict[str, Callable[[Listener, Pipe], None]] = {
    "it is led by another": lambda one, _: one.advance(),
    "its heartbeat is due": lambda one, _: one.beat(beat),
    "its heartbeat is due and half of it fits": half_a_beat,
}


@pytest.mark.parametrize("happens", MEANWHILE)
def test_what_it_is_sent_next_goes_out_once_and_whole(happens: str) -> None:
    slow, pipe, books = Slow(), Pipe(), Books()
    one = led(slow, pipe, books, "4-0")
    leader = gevent.spawn(one.advance)
    slow.rendering.wait(5)

    MEANWHILE[happens](one, pipe)
    assert pipe.got == b""
    slow.go_on.set()
    leader.join(5)

    assert pipe.got == frame(5).data
    assert one.group is not None
    assert list(one.group.members) == [one]


def test_the_end_that_a_snapshot_brings_goes_out_once() -> None:
    slow, pipe, books = Slow(), Pipe(), Books()
    one = led(slow, pipe, books, "5-0")
    bringer = gevent.spawn(one.insert_snapshot, 0, Snapshot(None, "4-0", frame(5)))
    slow.rendering.wait(5)

    one.advance()
    slow.go_on.set()
    bringer.join(5)
    one.advance()

    assert pipe.got == frame(5).data


def test_one_that_leaves_meanwhile_is_sent_nothing() -> None:
    slow, pipe, books = Slow(), Pipe(), Books()
    one = led(slow, pipe, books, "4-0")
    leader = gevent.spawn(one.advance)
    slow.rendering.wait(5)
    one.close("left")
    slow.go_on.set()
    leader.join(5)
    assert pipe.got == b""
    assert books.left == ["left"]
