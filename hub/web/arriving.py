"""The body of a request at the door, read as it comes."""

from __future__ import annotations

import _socket
from typing import Any

from gevent.socket import wait_read

from hub.web.body import WHOLE_BODY
from hub.web.waiting import WAITING, WaitingConnection


class ArrivingBody:
    """A request's body as `body.Sent`, of which what is `there` came with the head."""

    def __init__(
        self, sock: _socket.socket, waiting: WaitingConnection, there: bytes, length: int
    ) -> None:
        self.content_length = length
        self.environ: dict[str, Any] = {WAITING: waiting}
        self._sock = sock
        self._there = there
        self._left = length - len(there)
        if not self._left:
            self.environ[WHOLE_BODY] = there

    @property
    def whole(self) -> bool:
        """Whether all of it is there, so that the next request is behind it."""
        return not self._left

    @property
    def stream(self) -> Any:
        return self

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, fewer only at its end."""
        pieces, self._there = [self._there[:size]], self._there[size:]
        size -= len(pieces[0])
        while size and self._left:
            try:
                data = self._sock.recv(min(size, self._left))
            except BlockingIOError:
                wait_read(self._sock.fileno())
                continue
            if not data:
                break
            pieces.append(data)
            size -= len(data)
            self._left -= len(data)
        return b"".join(pieces)
