"""The publisher: a process that hands events over, at a pace or as fast as the peer takes them.

It reads a pickled `Job` from stdin, says `ready`, waits for a line, and prints one line of JSON
when every call has been answered. Answers are read on the side: a slow one does not slow the pace.
"""

from __future__ import annotations

import json
import pickle
import select
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any

from bench.handover import CALL_HOLE, TOKEN_HOLE, Handover

_AHEAD_BYTES = 64 * 1024
_TICK_SECONDS = 0.001


@dataclass(frozen=True)
class Job:
    """`calls` per channel, `calls_per_second` per channel (None: as fast as taken). `first` is the
    first sequence number, `first_call` the first number of a call."""

    handover: Handover
    calls: int
    calls_per_second: float | None
    first: int
    first_call: int
    seconds: float


def run(job: Job) -> dict[str, Any]:
    calls = [_split(template) for template in job.handover.calls]
    per_call = job.handover.events_per_call
    total = job.calls * len(calls)
    rate = job.calls_per_second and job.calls_per_second * len(calls)
    answers = _Answers(job.handover.answer, total)
    connection = socket.create_connection(job.handover.address)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print("ready", flush=True)
    sys.stdin.buffer.readline()

    connection.setblocking(False)
    began = time.monotonic()
    give_up = began + job.seconds
    out, made, late = b"", 0, 0.0
    while (made < total or out or not answers.complete) and time.monotonic() < give_up:
        now = time.monotonic()
        due = total if rate is None else min(total, int((now - began) * rate) + 1)
        if rate is not None and made < due:
            late = max(late, now - began - made / rate)
        while made < due and len(out) < _AHEAD_BYTES:
            number, channel = divmod(made, len(calls))
            out += _fill(calls[channel], job.first + number * per_call, job.first_call + number)
            made += 1
        wait = 0.05
        if rate is not None and made < total:
            wait = max(_TICK_SECONDS, began + made / rate - time.monotonic())
        readable, writable, _ = select.select([connection], [connection] if out else [], [], wait)
        if writable:
            out = out[connection.send(out) :]
        if readable:
            answers.read(connection)
    connection.close()
    return {
        "calls": made,
        "answered": answers.count,
        "trouble": answers.trouble,
        "late_ms": late * 1000,
        "seconds": time.monotonic() - began,
        "cpu_seconds": time.process_time(),
    }


class _Answers:
    def __init__(self, sign: bytes | None, expected: int) -> None:
        self._sign = sign
        self._expected = expected
        self._rest = b""
        self.count = 0
        self.trouble = ""

    @property
    def complete(self) -> bool:
        return self._sign is None or self.count >= self._expected or bool(self.trouble)

    def read(self, connection: socket.socket) -> None:
        data = connection.recv(65536)
        if not data:
            self.trouble = self.trouble or "the connection was closed"
            self._sign = None
            return
        if self._sign is None:
            return
        data = self._rest + data
        self.count += data.count(self._sign)
        keep = data[-(len(self._sign) - 1) :] if len(self._sign) > 1 else b""
        self._rest = keep
        if (
            data.startswith(b"-")
            or b"\r\n-" in data
            or b"HTTP/1.1 4" in data
            or b"HTTP/1.1 5" in data
        ):
            self.trouble = data[:300].decode(errors="replace")


def _split(template: bytes) -> list[bytes]:
    """The template's pieces; a hole stands as itself between two of them."""
    pieces: list[bytes] = []
    for at, piece in enumerate(template.split(TOKEN_HOLE)):
        pieces += [TOKEN_HOLE] if at else []
        for n, part in enumerate(piece.split(CALL_HOLE)):
            pieces += [CALL_HOLE] if n else []
            pieces.append(part)
    return pieces


def _fill(pieces: list[bytes], sequence: int, call: int) -> bytes:
    stamp = b"%016d" % (time.monotonic_ns() // 1000)
    filled = []
    for piece in pieces:
        if piece is TOKEN_HOLE:
            piece = b"@%08d" % sequence + stamp
            sequence += 1
        elif piece is CALL_HOLE:
            piece = b"%010d" % call
        filled.append(piece)
    return b"".join(filled)


if __name__ == "__main__":
    print(json.dumps(run(pickle.load(sys.stdin.buffer))), flush=True)
