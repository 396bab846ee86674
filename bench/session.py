"""One peer, started, with a load client: what every scenario begins with."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench.environment import Environment
from bench.load import Load, LoadFailed, Traffic
from bench.peers.peer import Peer, Running

_OPEN_AT_ONCE = 200
_PORTION = 500


@dataclass(frozen=True)
class Cpu:
    """CPU seconds spent so far."""

    server: float
    redis: float

    def __sub__(self, other: Cpu) -> Cpu:
        return Cpu(self.server - other.server, self.redis - other.redis)


class Session:
    def __init__(self, environment: Environment, peer: Peer) -> None:
        self.log = environment.out / f"{peer.name}.log"
        self.log.unlink(missing_ok=True)
        self.environment = environment
        self.peer = peer
        self.running: Running = peer.start(environment, self.log)
        try:
            self.load = Load(environment.program("listen"), self.running.port, self.log)
        except BaseException:
            self.running.stop()
            raise

    def stop(self) -> None:
        self.load.stop()
        self.running.stop()

    def cpu(self) -> Cpu:
        redis = self.running.redis
        return Cpu(self.running.server.cpu_seconds(), redis.cpu_seconds() if redis else 0.0)

    def memory_kib(self) -> tuple[float, float]:
        """Of the server and of its Redis."""
        redis = self.running.redis
        return self.running.server.memory_kib(), redis.memory_kib() if redis else 0.0

    def traffic(self, prefix: str, channels: int, size: int) -> Traffic:
        return Traffic(self.load, self.running.handover(prefix, channels, size), self.log)

    def burst(self, traffic: Traffic, prefix: str, channels: int, size: int) -> Traffic:
        """The same traffic, handed over in the peer's fastest way from now on."""
        if self.running.burst:
            traffic.handover = self.running.burst(prefix, channels, size)
        return traffic

    def open(
        self, prefix: str, channels: int, per_channel: int, *, after: str | None = None
    ) -> None:
        """Open listeners until the server holds them all; whether they hear is for a warm-up."""
        path = self.running.path(prefix)
        how = "ask" if self.running.head_is_late else "open"
        if not self.running.listening or channels > 1:
            self.load.open(channels, per_channel, path, after=after, how=how)
            return
        before = self.running.listening()
        for opened in range(0, per_channel, _OPEN_AT_ONCE):
            portion = min(_OPEN_AT_ONCE, per_channel - opened)
            self.load.open(channels, portion, path, after=after, how=how)
            self._wait_until_listening(before + opened + portion)

    def _wait_until_listening(self, count: int) -> None:
        assert self.running.listening
        give_up = time.monotonic() + 60
        while (found := self.running.listening()) < count:
            if time.monotonic() > give_up:
                raise LoadFailed(f"{found} of {count} listeners came to hear anything")
            time.sleep(0.02)

    def open_at_once(self, prefix: str, listeners: int) -> None:
        """Open listeners of one channel as fast as they are answered; returns when each of them is
        served, as far as the peer can say."""
        how = "ask" if self.running.head_is_late else "open"
        before = self.running.listening() if self.running.listening else 0
        self.load.open(1, listeners, self.running.path(prefix), how=how)
        if self.running.listening:
            self._wait_until_listening(before + listeners)

    def published(self, prefix: str, traffic: Traffic, events: int) -> list[str]:
        """Publish `events` on a channel, portion by portion, and return their ids, as one more
        listener saw them; of a peer that takes positions, none."""
        ids: list[str] = []
        for done in range(0, events, _PORTION):
            ids += self._published(prefix, traffic, min(_PORTION, events - done))
        return ids

    def _published(self, prefix: str, traffic: Traffic, events: int) -> list[str]:
        path = self.running.path(prefix) % 0
        with socket.create_connection(("127.0.0.1", self.running.port), 20) as listener:
            listener.sendall(
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                "Accept: text/event-stream\r\n\r\n".encode()
            )
            seen = listener.recv(65536)
            publishing = traffic.begin(events, None, seconds=20)
            publishing.go()
            publishing.result()
            if self.running.resume:
                return []
            while len(ids := _IDS.findall(seen)) < events:
                data = listener.recv(65536)
                if not data:
                    raise LoadFailed("the stream ended before its events")
                seen += data
        return [found.decode() for found in ids]


_IDS = re.compile(rb"id: ?([^\r\n]+)\r?\n(?:event:[^\n]*\n)?data: ?@\d{24}")


@contextmanager
def session(environment: Environment, peer: Peer) -> Iterator[Session]:
    started = Session(environment, peer)
    try:
        yield started
    finally:
        started.stop()


def integrity(arrived: dict[str, Any]) -> dict[str, Any]:
    """What must be zero; the first event out of its place, where there is one."""
    found = {name: arrived[name] for name in ("missing", "doubled_or_late", "excess")}
    if arrived["expected"] or arrived["found"]:
        found["first"] = f"{arrived['found']} where {arrived['expected']} was due"
    return found


def load_share(arrived: dict[str, Any]) -> float:
    """How busy the load client was between the first publish and the last arrival."""
    seconds = (arrived["last_arrival_us"] - arrived["first_stamp_us"]) / 1e6
    return float(arrived["cpu_seconds"] / seconds) if seconds > 0 else 0.0
