"""What a transport holds on to."""

from __future__ import annotations

import gc
import socket
import weakref

from hub.web.transport import SocketTransport


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
