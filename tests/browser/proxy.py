"""A tunnel on the way to the hub: a TCP proxy that can be cut, and can fall silent."""

from __future__ import annotations

import selectors
import socket
import threading
from urllib.parse import urlsplit


class Proxy:
    """Forwards a free loopback port to the server at `url`; `self.url` leads through it.

    `cut` breaks every connection and lets no new one in; `freeze` keeps them open and forwards
    nothing more, as where a router has vanished; `mend` lets everything through again (a connection
    that was frozen stays so, as it would).
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._frozen: set[socket.socket] = set()
        self._open = True
        self._lock = threading.Lock()
        self._closing = False
        self._far: set[socket.socket] = set()
        self.accepted = 0
        self.delivered_bytes = 0
        """What the server has sent through it, headers and all."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def connections(self) -> int:
        return len(self._pairs) // 2

    def cut(self) -> None:
        with self._lock:
            self._open = False
            for one in list(self._pairs):
                self._drop(one)

    def freeze(self) -> None:
        with self._lock:
            self._open = False
            for one in self._pairs:
                if one not in self._frozen:
                    self._selector.unregister(one)
                    self._frozen.add(one)

    def mend(self) -> None:
        with self._lock:
            self._open = True

    def close(self) -> None:
        self._closing = True
        self._thread.join()
        with self._lock:
            for one in list(self._pairs):
                self._drop(one)
        self._listener.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._closing:
            ready = self._selector.select(0.05)
            with self._lock:
                for key, _ in ready:
                    one = key.fileobj
                    assert isinstance(one, socket.socket)
                    if one is self._listener:
                        self._accept()
                    elif one in self._pairs and one not in self._frozen:
                        self._forward(one)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        if not self._open:
            near.close()
            return
        try:
            far = socket.create_connection(self._target, timeout=5)
        except OSError:
            near.close()
            return
        self.accepted += 1
        self._pairs[near], self._pairs[far] = far, near
        self._far.add(far)
        for one in (near, far):
            self._selector.register(one, selectors.EVENT_READ)

    def _forward(self, one: socket.socket) -> None:
        try:
            data = one.recv(65536)
            if data:
                self.delivered_bytes += len(data) if one in self._far else 0
                self._pairs[one].sendall(data)
                return
        except OSError:
            pass
        self._drop(one)

    def _drop(self, one: socket.socket) -> None:
        other = self._pairs.pop(one, None)
        if other is None:
            return
        self._pairs.pop(other)
        self._far -= {one, other}
        for end in (one, other):
            if end not in self._frozen:
                self._selector.unregister(end)
            self._frozen.discard(end)
            end.close()
