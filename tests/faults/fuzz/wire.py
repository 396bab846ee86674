"""One request on a socket of its own, and whether its answer is one that a client may get."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.faults.fuzz.requests import Sent

PATIENCE_SECONDS = 20.0
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` 0: the connection was closed without one. `wrong` says what may not be."""

    status: int
    head: str
    body: bytes
    wrong: str = ""


def send(url: str, sent: Sent, listen_seconds: float = 0.0) -> Answer:
    """`listen_seconds`: how long a stream is listened to."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    began = time.monotonic()
    with socket.create_connection((parts.hostname, parts.port), PATIENCE_SECONDS) as sock:
        try:
            sock.sendall(sent.head + sent.body)
            if sent.whole and b"\r\n\r\n" not in sent.head:
                sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it may answer before it has read all, and close
        try:
            return _read(sock, sent.head.startswith(b"HEAD "), listen_seconds)
        except TimeoutError:
            waited = time.monotonic() - began
            return Answer(0, "", b"", f"no whole answer in {waited:.0f} s")
        except OSError:
            return Answer(0, "", b"")


def _read(sock: socket.socket, head_alone: bool, listen_seconds: float) -> Answer:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            return Answer(0, "", data, "half a head" if data else "")
        data += piece
        if data.startswith(b"HTTP/1.1 100 "):
            data = data.partition(b"\r\n\r\n")[2]
    head, _, body = data.partition(b"\r\n\r\n")
    text = head.decode("latin-1")
    status = int(text.split()[1])
    fields = {
        name.lower(): value
        for name, _, value in (line.partition(": ") for line in text.split("\r\n")[1:])
    }
    if head_alone:
        return Answer(status, text, body)
    if "text/event-stream" in fields.get("content-type", ""):  # goes on for as long as one listens
        return Answer(status, text, body + _heard(sock, listen_seconds))
    length = fields.get("content-length")
    while len(body) < (int(length) if length else 0) and len(body) < _READ_BYTES:
        piece = sock.recv(65536)
        if not piece:
            break
        body += piece
    body = body[: int(length)] if length else body
    return Answer(status, text, body, _fault(status, fields, body))


def _heard(sock: socket.socket, seconds: float) -> bytes:
    found, give_up = b"", time.monotonic() + seconds
    while (left := give_up - time.monotonic()) > 0 and len(found) < _READ_BYTES:
        sock.settimeout(left)
        try:
            piece = sock.recv(65536)
        except TimeoutError:
            break
        if not piece:
            break
        found += piece
    return found


def _fault(status: int, fields: dict[str, str], body: bytes) -> str:
    if status >= 500:
        return f"{status}: {body[:300]!r}"
    kind = fields.get("content-type", "")
    if status < 400 or not body or "text/html" in kind:
        return ""
    try:
        told = json.loads(body)
        told = told.get("error", told)
        return "" if told["code"] or "param" in told else "no code"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"not the shape of an error: {body[:300]!r}"
