"""Bare connections: redis-py makes them (connects, authenticates, finds the node), and no more.

A script call takes redis-py 300 µs of processor (its pool, its look at the socket, its packing,
retries and parser) and 115 by hiredis alone, on the same machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hiredis

from hub.store.peek import peek

_READ_BYTES = 1 << 16


class BareConnection:
    """One connection, made by `make` when it is needed. Used by one at a time."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._connection: Any = None
        self._socket: Any = None
        self._reader = hiredis.Reader()

    @property
    def connected(self) -> bool:
        return self._socket is not None

    def exchange(self, packed: bytes, count: int) -> list[Any]:
        """Send commands; their `count` replies, an exception in the place of each that is an error.
        Raises what redis-py, hiredis and sockets raise: nobody knows then what was carried out,
        and the next exchange has a new connection."""
        replies: list[Any] = []
        try:
            if self._socket is None:
                self._connect()
            sent = self._socket.send(packed)  # `sendall` costs more, and this is nearly always all
            if sent < len(packed):
                self._socket.sendall(memoryview(packed)[sent:])
            replies = self._read(count)
            return replies
        finally:
            if not replies:  # also when killed between a call and its reply
                self.close()

    def close(self) -> None:
        connection, self._connection, self._socket = self._connection, None, None
        if connection is not None:
            connection.disconnect()

    def _connect(self) -> None:
        self._connection = self._make()
        self._connection.connect()
        self._socket = self._connection._sock
        self._reader = hiredis.Reader()

    def _read(self, count: int) -> list[Any]:
        reader, replies = self._reader, []
        while True:
            reply = reader.gets()
            while reply is not False:
                replies.append(reply)
                if len(replies) == count:
                    return replies
                reply = reader.gets()
            data = self._receive()
            if not data:
                raise ConnectionError("closed by Redis")
            reader.feed(data)

    def _receive(self) -> bytes:
        try:
            data: bytes = self._socket.recv(_READ_BYTES)
        except TimeoutError:
            if not peek(self._socket):
                raise
            # It is this process that did not get to what Redis said.
            data = self._socket.recv(_READ_BYTES)
        return data
