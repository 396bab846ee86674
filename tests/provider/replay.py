"""A real HTTP server on loopback that replays bytes: each request gets the next `Reply`.

It says nothing that the test did not write: framing, cuts and silences are the test's own.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

EVENT_STREAM = "text/event-stream"


@dataclass
class Reply:
    """`pieces` are sent one by one; a `threading.Event` among them is waited for.

    `framing`: `chunked` (each piece a chunk), `close` (the end of the connection is the end of the
    body), `length`, `cut` (chunked, and broken off without the last chunk) or `raw` (the pieces are
    all that is said, head and framing too). `hold`: the connection stays open after the pieces
    until the caller leaves. `drip`: then this is said again and again instead, every few
    milliseconds, as if there were no end of it.
    """

    pieces: Sequence[bytes | threading.Event] = ()
    status: int = 200
    content_type: str = EVENT_STREAM
    headers: dict[str, str] = field(default_factory=dict)
    framing: str = "chunked"
    hold: bool = False
    hold_headers: bool = False
    drip: bytes = b""


@dataclass
class Asked:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: Any
    connection: int


class ReplayServer:
    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.replies: list[Reply] = []
        self.asked: list[Asked] = []
        self.left = threading.Event()
        """Set when a caller closed its connection, held or not yet answered."""
        self.holding = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._socket.getsockname()[1]
        scheme = "http" if tls is None else "https"
        self.base_url = f"{scheme}://127.0.0.1:{self.port}/v1"
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._connections = 0
        self._closing = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing = True
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self._thread.join()

    def _accept(self) -> None:
        threads: list[threading.Thread] = []
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                break
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(connection)
                self._connections += 1
            thread = threading.Thread(
                target=self._serve, args=(connection, self._connections), daemon=True
            )
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join(5)

    def _serve(self, connection: socket.socket, number: int) -> None:
        if self._tls is not None:
            try:
                connection = self._tls.wrap_socket(connection, server_side=True)
            except OSError:
                return  # the caller did not trust us
        reader = connection.makefile("rb")
        try:
            while self._request(reader, connection, number):
                pass
        except OSError:
            self.left.set()
        finally:
            with self._lock:
                self._open.discard(connection)
            reader.close()
            connection.close()

    def _request(self, reader: Any, connection: socket.socket, number: int) -> bool:
        line = reader.readline().decode()
        if not line:
            self.left.set()
            return False
        headers = {}
        while (header := reader.readline().decode().strip()) != "":
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        body = reader.read(int(headers.get("content-length", 0)))
        method, target, _ = line.split()
        with self._lock:
            asked = json.loads(body) if body else None
            self.asked.append(Asked(method, target, headers, asked, number))
            reply = self.replies.pop(0) if self.replies else Reply(status=500, framing="length")
        return self._reply(reply, connection)

    def _reply(self, reply: Reply, connection: socket.socket) -> bool:
        if reply.hold_headers:
            self._hold(connection)
            return False
        headers = {"Content-Type": reply.content_type, **reply.headers}
        pieces = [piece for piece in reply.pieces if isinstance(piece, bytes)]
        if reply.framing == "length":
            headers["Content-Length"] = str(sum(map(len, pieces)))
        elif reply.framing == "close":
            headers["Connection"] = "close"
        else:
            headers["Transfer-Encoding"] = "chunked"
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        if reply.framing != "raw":
            connection.sendall(f"HTTP/1.1 {reply.status} As-Scripted\r\n{head}\r\n".encode())
        chunked = reply.framing in ("chunked", "cut")
        for piece in reply.pieces:
            if isinstance(piece, threading.Event):
                # Not `wait` with a timeout: gevent 26.9 loses the wake-up of an event that has
                # several such waiters.
                while not piece.is_set():
                    if self._closing:
                        return False
                    time.sleep(0.005)
            elif piece:
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        if reply.drip:
            self._drip(reply.drip, connection)
            return False
        if reply.hold:
            self._hold(connection)
            return False
        if reply.framing == "chunked":
            connection.sendall(b"0\r\n\r\n")
        return reply.framing in ("chunked", "length")

    def _drip(self, piece: bytes, connection: socket.socket) -> None:
        while not self._closing:
            try:
                connection.sendall(piece)
            except OSError:
                self.left.set()
                return
            time.sleep(0.005)

    def _hold(self, connection: socket.socket) -> None:
        self.holding.set()
        try:
            left = not connection.recv(1)
        except OSError:
            left = True
        if left:
            self.left.set()
