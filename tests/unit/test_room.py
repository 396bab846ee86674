"""A room and its readers on a real Valkey, without a feed: what only a rare moment brings about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import gevent
import pytest
from gevent.event import Event as Flag

from hub.channel import BEFORE_FIRST
from hub.errors import RedisRefused, RedisUnavailable
from hub.event import Event
from hub.fanout import room as room_module
from hub.fanout.catch_up import CatchUp
from hub.fanout.listener import Listener
from hub.fanout.loops import Loop, Loops
from hub.fanout.rendering import Plain
from hub.fanout.resume import resume
from hub.fanout.room import Room
from hub.fanout.turns import Turns
from hub.metrics import Counters
from hub.store.frame import Page
from hub.store.history import History
from tests.unit.test_beats import Books, Pipe

CHANNEL = "news"


class Trouble(History):
    """A history that raises what is next in `errors`, and reads when none is left."""

    errors: list[Exception]
    before_reading: Callable[[], object] = int

    def read(
        self, channel: str, position: str, *, limit: int = 1000, limit_bytes: int = 1 << 18
    ) -> Page:
        self.before_reading()
        if self.errors:
            raise self.errors.pop(0)
        return super().read(channel, position, limit=limit, limit_bytes=limit_bytes)


@pytest.fixture
def history(real_history: History) -> Trouble:
    history = Trouble(real_history.link, real_history._settings)
    history.errors = []
    return history


@pytest.fixture
def room(history: History) -> Room:
    room = Room(CHANNEL, history, None, Counters(), lambda: 1 << 20, Turns(), Loops())
    room.confirmed()
    assert room.wait_until_current(5)
    return room


def publish(history: History, *texts: str) -> list[str]:
    return [history.append(CHANNEL, [Event(text)]).ids[0] for text in texts]


def payload(prev: str, last: str) -> bytes:
    return f"E {prev} {last} 1 1 0 \nid: {last}\ndata: x\n\n".encode()


def test_a_room_that_cannot_hold_what_is_announced_meanwhile_reads_it(
    room: Room, history: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_module, "_HELD_BYTES", 0)
    room.resync()
    [one] = publish(history, "a")
    room.announced(payload(BEFORE_FIRST, one))
    assert room.wait_until_current(5)
    assert room.head == one


def test_an_announcement_that_redis_has_lost_is_looked_for_once(
    room: Room, history: Trouble
) -> None:
    """A failover: it was announced by the primary that is gone, and never comes to history."""
    [one] = publish(history, "a")
    ahead = f"{int(one.partition('-')[0]) + 60_000}-0"
    readings: list[str] = []
    history.before_reading = lambda: readings.append(room.head)

    room.announced(payload(one, ahead))

    assert room.wait_until_current(5)
    assert (room.head, readings) == (one, [BEFORE_FIRST, one])


@pytest.mark.parametrize("error", [RedisUnavailable("away"), ValueError("no page")], ids=repr)
def test_a_room_whose_history_cannot_be_read_says_so_and_goes_on_trying(
    room: Room, history: Trouble, error: Exception
) -> None:
    [one] = publish(history, "a")
    history.errors = [error]
    room.resync()
    gevent.sleep(0)
    assert room.failing
    assert not room.wait_until_current(0.001)
    while not room.wait_until_current(1):
        pass
    assert (room.head, room.failing) == (one, False)


def test_a_room_that_is_killed_while_it_reads_reads_on(history: Trouble) -> None:
    loops, gate = Loops(), Flag()
    room = Room(CHANNEL, history, None, Counters(), lambda: 1 << 20, Turns(), loops)
    room.confirmed()
    assert room.wait_until_current(5)
    [one] = publish(history, "a")
    history.before_reading = gate.wait
    room.resync()
    *_, reading = loops.loops()
    gevent.sleep(0)  # it has begun, and waits for its page
    reading.greenlet.kill()
    gate.set()
    assert room.wait_until_current(5)
    assert (room.head, loops.restarts["rooms"]) == (one, 1)
    reading.greenlet.join(5)
    gevent.sleep(0)
    assert loops.loops() == []
    loops.stop()


def test_what_redis_refuses_for_good_is_told_as_the_reason(room: Room, history: Trouble) -> None:
    history.errors = [RedisRefused("NOPERM")]
    room.resync()
    gevent.sleep(0)
    assert isinstance(room.refused, RedisRefused)


def test_a_page_that_contradicts_the_room_is_given_to_nobody_before_it_has_read_again(
    room: Room, history: Trouble
) -> None:
    ids = publish(history, "a", "b")
    room.resync()
    assert room.wait_until_current(5)
    history.link.client.flushall()
    page = room.read(ids[0])
    assert page.state.last == ""
    assert room.head == BEFORE_FIRST
    room.head = ids[1]
    room._read_to_the_head = _never  # type: ignore[method-assign]
    with pytest.raises(RedisUnavailable):
        room.read(ids[0])
    room.in_step.set()
    room._sync_again = False


def _never(loop: Loop) -> None:
    raise RedisUnavailable("away")


def test_the_terminal_event_s_own_id_is_an_end_like_its_hub_s(room: Room, history: Trouble) -> None:
    history.append(CHANNEL, [Event("end", wire_id="mine")], ends=True)
    room.resync()
    assert room.wait_until_current(5)
    for last_id in (room.end, "mine"):
        point = resume(room, last_id, None)
        assert (point.ended, point.position) == (True, room.end)


def test_who_leaves_before_the_next_event_hears_of_a_loss_once_more_and_then_no_more(
    history: Trouble, catch_up: CatchUp, room: Room
) -> None:
    """A failover, of which three processes hear at different times. `gap` has no id, so its reader
    comes back with that of the lost event; the verdict gives it one that Redis knows."""
    [one] = publish(history, "a")
    client = history.link.client
    kept = {key: client.dump(key) for key in client.keys("*")}
    [two] = publish(history, "b")
    other, late = (
        Room(CHANNEL, history, None, Counters(), lambda: 1 << 20, Turns(), Loops()) for _ in "ab"
    )
    for each in (room, other, late):
        for _ in range(2):  # the first reading takes the head alone
            each.head = BEFORE_FIRST
            each.resync()
            assert each.wait_until_current(5)
    client.flushall()
    for key, value in kept.items():
        client.restore(key, 0, value)
    for each in (room, other):
        each.resync()
        assert each.wait_until_current(5)

    books, pipe, _ = behind(room, two)
    serve(catch_up, books)
    assert pipe.got.count(b"event: gap") == pipe.got.count(b"unknown-id") == 1
    again = resume(other, two, None)
    assert (again.recovered, again.reason, again.shown_id) == (False, "unknown-id", one)
    assert resume(other, one, None).recovered
    # One that has not heard of it gives what was lost once more, and tells the loss when it hears.
    assert (resume(late, one, None).recovered, resume(late, one, None).replayed) == (True, 1)


# ── catching up ──────────────────────────────────────────────────────────────────────────────


class Behind(Books):
    """A keeper whose listeners are fetched for by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: list[tuple[Listener, int]] = []

    def fetch(self, listener: Listener, index: int) -> None:
        self.wanted.append((listener, index))


@pytest.fixture
def catch_up(room: Room) -> Iterator[CatchUp]:
    loops = Loops()
    catch_up = CatchUp({CHANNEL: room}, Counters())
    loops.start("catch-up", catch_up.run)
    yield catch_up
    loops.stop()


def behind(room: Room, position: str) -> tuple[Behind, Pipe, Listener]:
    books, pipe = Behind(), Pipe()
    wanted = {"heartbeat_seconds": 15, "heartbeat_comments": False, "quiet": False}
    listener = Listener(books, (room,), Plain(), [position], address="-", **wanted)  # type: ignore[arg-type]
    listener.start(pipe, b"head\n\n")
    return books, pipe, listener


def serve(catch_up: CatchUp, books: Behind) -> None:
    """Give the reader what the listener asked for, until it asks no more."""
    for _ in range(200):
        while books.wanted:
            catch_up.fetch(*books.wanted.pop())
        gevent.sleep(0.005)
        if not books.wanted and not catch_up._fetching:
            return
    raise AssertionError("it asks for ever")


@pytest.fixture
def ids(room: Room, history: Trouble) -> list[str]:
    """Three events, of which the room remembers none."""
    ids = publish(history, "a", "b", "c")
    room.resync()
    assert room.wait_until_current(5)
    room._memory.void()
    return ids


def test_one_that_is_behind_gets_all_though_redis_is_away_meanwhile(
    room: Room, history: Trouble, catch_up: CatchUp, ids: list[str]
) -> None:
    history.errors = [RedisUnavailable("away")]
    books, pipe, listener = behind(room, BEFORE_FIRST)
    serve(catch_up, books)
    assert pipe.got.count(b"data: ") == 3
    assert listener.group is not None


def test_one_that_cannot_be_led_on_is_closed_and_the_next_one_is_served(
    room: Room, history: Trouble, catch_up: CatchUp, ids: list[str]
) -> None:
    history.errors = [ValueError("no page")]
    books, _, first = behind(room, BEFORE_FIRST)
    serve_one = books.wanted.pop()
    catch_up.fetch(*serve_one)
    gevent.sleep(0.05)
    assert books.left == ["error"]
    catch_up.forget(first)
    books, pipe, _ = behind(room, BEFORE_FIRST)
    serve(catch_up, books)
    assert pipe.got.count(b"data: ") == 3


def test_one_that_has_left_or_caught_up_while_it_waited_is_not_read_for(
    room: Room, history: Trouble, catch_up: CatchUp, ids: list[str]
) -> None:
    gone, _, left = behind(room, BEFORE_FIRST)
    there, _, at_the_head = behind(room, ids[1])
    history.errors = [AssertionError("history was read")]
    left.close("left")
    serve(catch_up, gone)
    at_the_head.positions = [room.head]
    serve(catch_up, there)
    assert at_the_head.group is not None
    assert history.errors


def test_one_whose_events_are_gone_is_told_why(
    room: Room, history: Trouble, catch_up: CatchUp, ids: list[str]
) -> None:
    history._settings = replace(history._settings, history_events=1)
    publish(history, "d")
    room.resync()
    assert room.wait_until_current(5)
    room._memory.void()
    books, pipe, _ = behind(room, ids[0])
    serve(catch_up, books)
    assert (
        b'event: gap\ndata: {"channel":"news","after":"%b","reason":"trimmed"}' % ids[0].encode()
        in pipe.got
    )
    assert pipe.got.endswith(b"data: d\n\n")
