"""Subscriptions and publishes, served from the accepted socket.

gunicorn takes 188 µs to read a request and to write its answer, Flask half as much again, and each
connection has a greenlet that is switched to and from. Here a connection is read by the loop
itself. A plain request (`plain`) is answered through the same entrance as every other: hosts,
origins, tokens, limits and errors are decided there, once. The connection is kept for the next one.

    publish     checked at once, and stored with others' in one round trip (`sender`). Where its
                body is not there yet, or something must be asked for first, a greenlet waits for it
    subscribe   waits with those that came with it (`arrivals`), until the listener has taken the
                socket over
    the rest    gunicorn's, with the bytes that were read put back: another method or path, a head
                in pieces, a long body, whatever is odd. gunicorn keeps the connection

What the loop does by itself must not wait for anything: nobody else would get a turn.
"""

from __future__ import annotations

import _socket
from collections.abc import Callable

from hub.fanout.sender import Sender
from hub.web.arrivals import Arrivals
from hub.web.connection import Connection, HandOver
from hub.web.entrance import Entrance
from hub.web.errands import Errands
from hub.web.known_heads import KnownHeads
from hub.web.publishing import Publishing
from hub.web.waiting import WaitingConnection


class Door:
    """In front of gunicorn's handling of connections, for one application and process.

    `counted` counts a request, and says whether its connection may be kept.
    """

    def __init__(self, entrance: Entrance, publishing: Publishing) -> None:
        self.entrance = entrance
        self.publishing = publishing
        self.heads = KnownHeads(entrance)
        self.errands = Errands()
        delivery = entrance.delivery
        self.arrivals = Arrivals(delivery, self.errands)
        self.sender = Sender(delivery.history, delivery.loops)
        # In a Cluster the layout may have to be asked for first, which takes its time.
        self.sends_at_once = not delivery.history.link.cluster
        self.counted: Callable[[], bool] = _keep
        self._connections: set[Connection] = set()

    def leads_to(self, application: object) -> bool:
        """Whether `application` is what stands behind this door."""
        return application is self.entrance

    def comes(
        self,
        sock: _socket.socket,
        peer: str,
        port: str,
        waiting: WaitingConnection,
        hand_over: HandOver,
    ) -> None:
        """A connection was accepted at the local `port`. `sock` does not block; `hand_over` is
        given it where it is gunicorn's, with what was read."""
        self._connections.add(Connection(self, sock, peer, port, waiting, hand_over))

    def gone(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def close_idle(self) -> None:
        """End the connections on which no request is under way."""
        for connection in list(self._connections):
            if not connection.busy:
                connection.close()

    @property
    def busy(self) -> bool:
        return any(connection.busy for connection in self._connections)


def _keep() -> bool:
    return True
