"""A TCP proxy that can do what networks do: go silent, swallow an answer, break; and one thing that
they cannot: make a Redis an older one."""

from __future__ import annotations

import re
import socket
import struct
import threading
from contextlib import suppress

from tests.support.process import ReservedPort

_VERSION = re.compile(rb"(redis_version:)[0-9]\.[0-9]\.[0-9]\b")


class Proxy:
    """Between a client and `target` on 127.0.0.1. `url` is a Redis URL through it."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._reserved = ReservedPort()
        self.port = self._reserved.number
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.swallowed = 0
        self.version = b""
        """What INFO says instead of Redis' own version, as long as that one."""
        self._swallow: bytes | None = None
        self._silent = False
        self._links: list[_Link] = []
        self._lock = threading.Lock()
        self._server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._server.bind(("127.0.0.1", self.port))
        self._server.listen(256)
        threading.Thread(target=self._accept, daemon=True).start()

    def go_silent(self, *, for_new_ones_too: bool = False) -> int:
        """Forward nothing more on the connections that there are, without closing them (half-open
        links). How many they are."""
        with self._lock:
            self._silent = for_new_ones_too
            silenced = [link for link in self._links if not link.silent and not link.closed]
            for link in silenced:
                link.silent = True
        return len(silenced)

    def speak(self) -> None:
        """New connections are forwarded again; the silent ones stay silent."""
        self._silent = False

    def swallow_reply_to(self, part: bytes) -> None:
        """Let the next request that holds `part` through, and give its answer to nobody."""
        with self._lock:
            self._swallow = part

    def lead_new_to(self, target: int) -> None:
        """Another server for new connections; the old ones stay, as when a name has moved."""
        self._target = target

    def lead_to(self, target: int) -> None:
        """Another server from now on; what is connected to the old one is reset."""
        self._target = target
        self.break_all()

    def break_all(self) -> None:
        """Reset every connection."""
        with self._lock:
            links, self._links = self._links, []
        for link in links:
            link.close()

    def close(self) -> None:
        self._server.close()
        self.break_all()
        self._reserved.close()

    def asked(self, data: bytes) -> bool:
        """Whether the answer to this request is to be swallowed."""
        with self._lock:
            if self._swallow is None or self._swallow not in data:
                return False
            self._swallow = None
            self.swallowed += 1
            return True

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target), 2)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            link = _Link(self, client, server)
            with self._lock:
                link.silent = self._silent
                self._links = [each for each in self._links if not each.closed] + [link]
            link.start()


class _Link:
    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self.silent = False
        self.closed = False

    def start(self) -> None:
        for pump in (self._requests, self._replies):
            threading.Thread(target=pump, daemon=True).start()

    def close(self) -> None:
        self.closed = True
        for sock in (self._client, self._server):
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _requests(self) -> None:
        self._pump(self._client, self._server, requests=True)

    def _replies(self) -> None:
        self._pump(self._server, self._client, requests=False)

    def _pump(self, source: socket.socket, sink: socket.socket, *, requests: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self._proxy.version and not requests:
                    data = _VERSION.sub(rb"\g<1>" + self._proxy.version, data)
                swallow = requests and not self.silent and self._proxy.asked(data)
                if not self.silent:
                    if swallow:
                        self.silent = True
                    sink.sendall(data)
            if not self.silent:
                self.close()
