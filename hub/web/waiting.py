"""The connections that this process waits for: for a request, or for the rest of its body.

They cost a client nothing, so they are counted and bounded, for each address and for all
(`HUB_MAX_WAITING_PER_ADDRESS`, `HUB_MAX_WAITING`). Beyond the bound the one that has waited longest
makes room, never the newcomer: a client that sends a request at once is served beside two thousand
who do not, from the same address, too. One that came only a moment ago stays meanwhile, from one
address or from many, up to twice what all may be: or a crowd that returns all at once would drive
itself out. So does one whose request has come and only waits to be looked at.

    head    accepted, or kept alive, and no request yet: closed without a word
    body    a request whose body is not there yet: 503, and its sender may try again
"""

from __future__ import annotations

import _socket
import math
import os
import socket
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import takewhile
from types import TracebackType
from typing import Any

from hub.errors import Overloaded
from hub.store.peek import peek

WAITING = "hubbub.waiting"
"""In a request's environment: the `WaitingConnection` that it came on."""

SETTLED_SECONDS = 1.0
_TWICE = 2

Order = dict["WaitingConnection", None]


class WaitingConnection:
    """One connection; as a context, it waits for a body within, and raises `Overloaded` where it
    had to make room meanwhile. `spoiled`: nothing more can be read from it. `say_close` lets the
    answer that is under way say that it is the last one here."""

    __slots__ = (
        "_connections", "address", "body", "refused", "say_close", "since", "sock", "spoiled",
    )  # fmt: skip

    def __init__(self, connections: WaitingConnections, sock: Any, address: str) -> None:
        self._connections = connections
        self.sock = sock
        self.address = address
        self.since = 0.0
        self.body = False
        self.refused = False
        self.spoiled = False
        self.say_close: Callable[[], None] = _nothing

    def __enter__(self) -> WaitingConnection:
        self.body = True
        self._connections.waits(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.body = False
        self._connections.came(self)
        if error is not None:
            self.spoil()
        if self.refused:
            raise Overloaded("too many requests wait for their bodies")

    def waits(self) -> None:
        """From now on something is awaited of it."""
        self._connections.waits(self)

    def came(self) -> None:
        """It is there, or the connection is gone."""
        self._connections.came(self)

    def spoil(self) -> None:
        """Nobody knows where on it the next request would begin: it ends with this one's answer,
        which must say so. Else a client sends its next request into a closed connection."""
        self.spoiled = True
        self.say_close()


def _nothing() -> None:
    pass


class WaitingConnections:
    """`most` for this process, `most_per_address` for each address; 0: no limit. None waits for
    longer than `longest_seconds`, nor for a head longer than `head_seconds`: neither the handshake
    of TLS nor what the door reads has a deadline of its own. `shared` tells
    the addresses behind which others stand (proxies, and what has none): theirs is no limit of its
    own."""

    def __init__(
        self,
        most: int,
        most_per_address: int,
        *,
        longest_seconds: float = float("inf"),
        head_seconds: float = float("inf"),
        shared: Callable[[str], bool] = lambda address: not address,
    ) -> None:
        self._longest_seconds = longest_seconds
        self._head_seconds = min(head_seconds, longest_seconds)
        self._shared = shared
        self.made_room = 0
        self._most = most
        self._most_per_address = most_per_address
        self._all: Order = {}
        self._of: defaultdict[str, Order] = defaultdict(dict)

    def figures(self) -> dict[str, float]:
        return {"waiting": len(self._all), "made_room": self.made_room}

    def waits(self, connection: WaitingConnection) -> None:
        """From now on something is awaited of it."""
        connection.since = time.monotonic()
        self._all[connection] = None
        siblings = self._of[connection.address]
        siblings[connection] = None
        if len(siblings) > self._most_per_address or len(self._all) > self._most:
            self._make_room_beside(connection.address, siblings)
            self._make_room(self._all, self._most)

    def came(self, connection: WaitingConnection) -> None:
        """It is there, or the connection is gone."""
        if self._all.pop(connection, self) is self:
            return
        siblings = self._of[connection.address]
        del siblings[connection]
        if not siblings:
            del self._of[connection.address]

    def hurry(self) -> None:
        """The process ends. A client that has asked nothing for a moment asks another one."""
        self._head_seconds = min(self._head_seconds, SETTLED_SECONDS)

    def tidy(self) -> None:
        """Call it now and then: those that came but a moment ago may have to make room by now, and
        some may have waited too long."""
        now = time.monotonic()
        late = takewhile(lambda each: each.since < now - self._head_seconds, self._all)
        for connection in list(late):
            if connection.body:
                if connection.since < now - self._longest_seconds:
                    self._end(connection)
            elif not peek(connection.sock):  # else it has come, and is about to be looked at
                self._end(connection)
        for address, siblings in list(self._of.items()):
            self._make_room_beside(address, siblings)
        self._make_room(self._all, self._most)

    def _make_room_beside(self, address: str, siblings: Order) -> None:
        if not self._shared(address):
            self._make_room(siblings, self._most_per_address)

    def _make_room(self, waiting: Order, most: int) -> None:
        if not len(waiting) > most > 0:
            return
        settled = time.monotonic() - SETTLED_SECONDS
        crowd = _TWICE * self._most or math.inf
        for oldest in list(waiting):
            if len(waiting) <= most or (oldest.since > settled and len(self._all) <= crowd):
                return
            if peek(oldest.sock):
                continue  # it has come, and this process has not looked yet
            self.made_room += 1
            self._end(oldest)

    def _end(self, connection: WaitingConnection) -> None:
        """End its input: that is what its greenlet waits for, and an answer can still go out."""
        self.came(connection)
        connection.refused = connection.body
        try:
            # Past the wrapper of TLS, which would have to be told in its own greenlet.
            sock = _socket.socket(fileno=os.dup(connection.sock.fileno()))
            sock.shutdown(socket.SHUT_RD if connection.body else socket.SHUT_RDWR)
            sock.close()
        except OSError:
            pass  # it has just gone by itself
