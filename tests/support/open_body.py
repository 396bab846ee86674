"""A request whose body is sent while the test goes on: chunk by chunk, on one raw socket."""

from __future__ import annotations

import json
import socket
import struct
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

from tests.support import keys


class OpenBody:
    """A POST with an open body. `say` sends a chunk, `end` the last one, `cut` breaks it off."""

    def __init__(
        self, url: str, kind: str = "application/x-ndjson", sequence: int | None = None
    ) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port or 80), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Content-Type: {kind}\r\nTransfer-Encoding: chunked\r\n"
        )
        if sequence is not None:
            head += f"Hubbub-Sequence: {sequence}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in keys.headers({}).items())
        self.socket.sendall(f"{head}\r\n".encode())

    def say(self, text: str | bytes) -> None:
        data = text.encode() if isinstance(text, str) else text
        self.socket.sendall(b"%x\r\n%s\r\n" % (len(data), data))

    def line(self, **value: object) -> None:
        self.say(json.dumps(value) + "\n")

    def end(self) -> tuple[int, Any]:
        """End the body. The answer's status and its JSON."""
        self.socket.sendall(b"0\r\n\r\n")
        return self.answer()

    def answer(self) -> tuple[int, Any]:
        """Wait for the answer, whether the body has ended or not."""
        response = HTTPResponse(self.socket)
        response.begin()
        body = response.read()
        self.socket.close()
        return response.status, json.loads(body)

    def cut(self) -> None:
        """Break it off without a word."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
