"""What the door hands over to gunicorn: a connection, and what was read of it.

gunicorn's worker imports this before gevent has patched the process: nothing here may import redis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gevent
from gevent.socket import socket as CooperativeSocket

from hub.errors import HubError
from hub.fanout.pace import Pace

_REST_SECONDS = 1.0
_REST_BYTES = 4 * 2**20
_READ_BYTES = 64 * 1024

REFUSAL = "hubbub.refusal"
"""In a request's environment: the `HubError` that is its answer, decided already."""


@dataclass(frozen=True, slots=True)
class Rest:
    """What was read of a request that is gunicorn's; `refusal`: what its answer is."""

    data: bytes
    refusal: HubError | None = None


class PutBack:
    """A socket in front of which stands what was read of it. Reading what is there already lets
    nobody else run: of a body that comes faster than it is read, each piece is a step."""

    def __init__(self, sock: Any, rest: Rest) -> None:
        self._sock = sock
        self._data = rest.data
        self._refusal = rest.refusal
        self._pace = Pace()

    def recv(self, size: int, *flags: int) -> bytes:
        if not self._data:
            data: bytes = self._sock.recv(size, *flags)
            if len(data) == size:
                self._pace.step()
            return data
        data, self._data = self._data[:size], self._data[size:]
        return data

    def take_refusal(self) -> HubError | None:
        """What the first request on it is answered, where that is known; then of no use."""
        refusal, self._refusal = self._refusal, None
        return refusal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def cooperative(sock: Any) -> Any:
    """The socket as one whose calls let others run; the one that was given is used up."""
    return CooperativeSocket(sock.family, sock.type, sock.proto, fileno=sock.detach())


def let_the_answer_be_read(sock: Any) -> None:
    """A client that is still sending may read only later, and what it sends to a closed socket
    would take the answer away from it."""
    rest = 0
    with gevent.Timeout(_REST_SECONDS, False):
        try:
            while rest < _REST_BYTES and (data := sock.recv(_READ_BYTES)):
                rest += len(data)
        except OSError:
            pass  # it has left
