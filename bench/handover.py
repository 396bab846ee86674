"""How an event is handed to a peer: a template of bytes, written to one connection.

For each peer this is the cheapest way that keeps its events in order; what is not the peer's own
work (encoding, composing a command) is done beforehand, so that the publisher's core is left to
the load client. The publisher fills two holes: the token that the load client checks (sequence
number and time, see native/listen.c), and a number that grows by one with each call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TOKEN_HOLE = b"@" + b"T" * 24
CALL_HOLE = b"9876543210"


@dataclass(frozen=True)
class Handover:
    """`calls`: one template for each channel, perhaps with several events in it. `answer`: bytes
    that come back once for each call, None where nothing does."""

    address: tuple[str, int]
    calls: Sequence[bytes]
    answer: bytes | None
    means: str

    @property
    def events_per_call(self) -> int:
        return self.calls[0].count(TOKEN_HOLE)


def payload(size: int) -> bytes:
    """An event's data of `size` bytes with the token in it."""
    return TOKEN_HOLE + b"x" * (size - len(TOKEN_HOLE))


def redis_command(*parts: bytes | str | int) -> bytes:
    """A command as Redis wants it."""
    encoded = [part if isinstance(part, bytes) else str(part).encode() for part in parts]
    lines = [b"*%d" % len(encoded)]
    for part in encoded:
        lines += [b"$%d" % len(part), part]
    return b"\r\n".join(lines) + b"\r\n"


def http_post(path: str, body: bytes, content_type: str, headers: str = "") -> bytes:
    """`headers` are further ones, each with its line end."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n{headers}"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
