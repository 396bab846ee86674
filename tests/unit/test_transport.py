"""What a transport holds on to, and what it knows of its client."""

from __future__ import annotations

import gc
import socket
import sys
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hub.web.transport import ResponseTransport, SocketTransport
from tests.support.deadline import eventually

linux = pytest.mark.skipif(sys.platform != "linux", reason="no other kernel tells it")


class Owner:
    """As a listener: it knows its transport, which calls it back."""

    def __init__(self, transport: SocketTransport) -> None:
        self.transport = transport
        transport.when_gone(self.lost)

    def lost(self) -> None:
        raise AssertionError("nobody left")


def test_a_closed_transport_and_its_listener_are_freed_without_the_collector() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        owner = Owner(SocketTransport(ours))
        freed = weakref.ref(owner)
        gc.disable()
        try:
            owner.transport.close()
            del owner
            assert freed() is None
        finally:
            gc.enable()


@contextmanager
def connected(kind: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A server's socket and its client's, which takes in little that is not read."""
    if kind == "unix":
        ours, theirs = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 90_000)
            theirs = socket.socket()
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            theirs.connect(listening.getsockname())
            ours, _ = listening.accept()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


@linux
@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize("transport_of", [SocketTransport, ResponseTransport])
def test_a_transport_tells_when_its_client_accepts_a_little_of_what_waits(
    kind: str, transport_of: type[SocketTransport] | type[ResponseTransport]
) -> None:
    with connected(kind) as (ours, theirs):
        transport = transport_of(ours)
        assert transport.progress() is None
        while True:
            try:
                ours.send(b"x" * 4096)
            except BlockingIOError:
                break
        # What the client's side takes in without reading, it takes at once.
        full = eventually(lambda: unchanged(transport))
        theirs.recv(8192)
        eventually(lambda: transport.progress() != full)
        theirs.settimeout(1)
        while transport.progress() is not None:
            theirs.recv(65536)
        transport.close()


def unchanged(transport: SocketTransport | ResponseTransport) -> object:
    """Its progress, where it stays for a moment."""
    before = transport.progress()
    time.sleep(0.05)
    return before if transport.progress() == before else None


@linux
@pytest.mark.parametrize("transport_of", [SocketTransport, ResponseTransport])
def test_the_kernel_does_not_give_up_a_client_that_takes_little(
    transport_of: type[SocketTransport] | type[ResponseTransport],
) -> None:
    # It would count from when the client's buffer was full, whatever was read since.
    with connected("tcp") as (ours, _):
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 90_000
        transport = transport_of(ours)
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0
        transport.close()


def test_a_response_whose_client_is_given_up_ends_the_server_s_own_sending() -> None:
    with connected("unix") as (ours, theirs):
        ResponseTransport(ours).break_off()
        assert theirs.recv(1) == b""
