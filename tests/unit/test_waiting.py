"""Connections that are waited for, and which of them makes room."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from hub.errors import Overloaded
from hub.web import waiting
from hub.web.waiting import WaitingConnection, WaitingConnections


class Ends:
    """Connections of one process, with the clients' ends of them."""

    def __init__(self, connections: WaitingConnections) -> None:
        self._connections = connections
        self._open: list[socket.socket] = []

    def connect(self, address: str = "a") -> tuple[WaitingConnection, socket.socket]:
        ours, theirs = socket.socketpair()
        theirs.settimeout(5)
        self._open += (ours, theirs)
        connection = WaitingConnection(self._connections, ours, address)
        self._connections.waits(connection)
        return connection, theirs

    def close(self) -> None:
        for each in self._open:
            each.close()


@pytest.fixture
def connections() -> WaitingConnections:
    return WaitingConnections(4, 2)


@pytest.fixture
def ends(connections: WaitingConnections) -> Iterator[Ends]:
    ends = Ends(connections)
    yield ends
    ends.close()


@pytest.fixture
def long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection counts as one that came long ago."""
    monkeypatch.setattr(waiting, "SETTLED_SECONDS", -1.0)


def closed(theirs: socket.socket) -> bool:
    theirs.setblocking(False)
    try:
        return theirs.recv(1) == b""
    except BlockingIOError:
        return False


def test_the_one_that_has_waited_longest_makes_room_never_the_newcomer(
    ends: Ends, connections: WaitingConnections, long_ago: None
) -> None:
    _, first = ends.connect()
    _, other = ends.connect("b")
    _, second = ends.connect()
    _, newcomer = ends.connect()
    assert closed(first)
    assert not any(map(closed, (second, newcomer, other)))
    assert connections.figures() == {"waiting": 3, "made_room": 1}


def test_one_whose_request_has_come_does_not_make_room_though_nobody_has_looked_yet(
    ends: Ends, connections: WaitingConnections, long_ago: None
) -> None:
    """A process that gets no processor finds thousands of requests, and none of them is late."""
    _, first = ends.connect()
    first.send(b"GET / HTTP/1.1")
    _, second = ends.connect()
    _, newcomer = ends.connect()
    assert [closed(each) for each in (first, second, newcomer)] == [False, True, False]


def test_all_addresses_together_are_bounded_too(
    ends: Ends, connections: WaitingConnections, long_ago: None
) -> None:
    theirs = [ends.connect(str(number))[1] for number in range(6)]
    assert [closed(each) for each in theirs] == [True, True, False, False, False, False]


def test_a_crowd_that_comes_at_once_does_not_drive_itself_out_up_to_a_bound(
    ends: Ends, connections: WaitingConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = [ends.connect()[1] for _ in range(9)]
    assert [closed(each) for each in theirs] == [True] + 8 * [False]
    monkeypatch.setattr(waiting, "SETTLED_SECONDS", -1.0)
    connections.tidy()
    assert [closed(each) for each in theirs] == 7 * [True] + [False, False]


def test_one_whose_request_has_come_is_not_counted(
    ends: Ends, connections: WaitingConnections, long_ago: None
) -> None:
    connection, first = ends.connect()
    connections.came(connection)
    connections.came(connection)
    ends.connect()
    ends.connect()
    assert not closed(first)
    assert connections.figures()["waiting"] == 2


def test_one_that_sends_a_body_is_told_that_it_made_room(
    ends: Ends, connections: WaitingConnections, long_ago: None
) -> None:
    connection, theirs = ends.connect()
    connections.came(connection)
    with pytest.raises(Overloaded), connection:
        ends.connect()
        ends.connect()
        assert connection.sock.recv(1) == b""
    connection.sock.sendall(b"an answer can still be given")
    assert theirs.recv(2) == b"an"
    assert not connection.spoiled


def test_after_a_body_that_failed_nothing_more_is_read_from_its_connection(
    ends: Ends, connections: WaitingConnections
) -> None:
    (good, _), (bad, _) = ends.connect(), ends.connect()
    with good:
        pass
    bad.__exit__(ValueError, ValueError("broken"), None)
    assert (good.spoiled, bad.spoiled) == (False, True)
    assert len(connections._of) == 0


def test_zero_is_no_limit(ends: Ends, long_ago: None) -> None:
    unlimited = Ends(WaitingConnections(0, 0))
    theirs = [unlimited.connect()[1] for _ in range(20)]
    assert not any(map(closed, theirs))
    unlimited.close()


def test_none_waits_for_ever(ends: Ends) -> None:
    impatient = Ends(connections := WaitingConnections(0, 0, longest_seconds=-1.0))
    _, theirs = impatient.connect()
    connections.tidy()
    assert closed(theirs)
    impatient.close()


def test_where_the_process_ends_only_one_whose_request_has_come_is_waited_for(
    ends: Ends, connections: WaitingConnections, long_ago: None
) -> None:
    (_, idle), (_, come) = ends.connect(), ends.connect("b")
    come.send(b"GET")
    connections.tidy()
    assert not closed(idle)
    connections.hurry()
    connections.tidy()
    assert (closed(idle), closed(come)) == (True, False)


def test_an_address_that_many_share_has_no_limit_of_its_own(long_ago: None) -> None:
    behind = Ends(WaitingConnections(8, 2, shared=lambda address: address == "proxy"))
    theirs = [behind.connect("proxy")[1] for _ in range(9)]
    assert [closed(each) for each in theirs] == [True] + [False] * 8
    behind.close()
