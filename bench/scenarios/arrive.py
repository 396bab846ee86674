"""(c) An arrival: listeners come all at once to a channel that has events, and each is to hear the
next one. Then the memory that such a rush leaves behind: right after it, when the listeners have
idled for a while, and when they have left.

Memory is the proportional set size of the server's processes. Socket buffers belong to the kernel
and are not in it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from bench.environment import Environment
from bench.peers.peer import Peer
from bench.session import integrity, session

WARM_LISTENERS = 200
EVENT_BYTES = 200
SETTLE_SECONDS = 1.0
_ALL_HEAR_SECONDS = 90


@dataclass(frozen=True)
class Arrive:
    """`idle_seconds` pass before memory is read again, and as many after the listeners left."""

    listeners: int
    idle_seconds: float
    name: str = "arrive"
    peers: tuple[str, ...] = (
        "flask-sse", "fastapi-own", "fastapi-shared", "nchan", "centrifugo", "centrifugo-redis",
        "mercure", "bare-python", "bare-c", "hub",
    )  # fmt: skip

    @property
    def title(self) -> str:
        return f"{self.listeners:,} arrive at once, idle for {self.idle_seconds:g} s, and leave"

    def measure(self, environment: Environment, peer: Peer) -> dict[str, Any]:
        with session(environment, peer) as s:
            traffic = s.traffic("arrive", 1, EVENT_BYTES)
            s.open("arrive", 1, WARM_LISTENERS)
            traffic.warm_up(events=10, per_second=20)
            s.load.close()
            time.sleep(SETTLE_SECONDS)
            base, _ = s.memory_kib()
            before, began = s.cpu(), time.monotonic()
            s.open_at_once("arrive", self.listeners)
            seconds, spent = time.monotonic() - began, s.cpu() - before
            rushed, _ = s.memory_kib()
            # The head may come before the listener is heard of everywhere: two rounds at most.
            traffic.warm_up(events=2, per_second=1)
            arrived, _ = traffic.measure(2, 1, seconds=_ALL_HEAR_SECONDS)
            time.sleep(self.idle_seconds)
            idled, _ = s.memory_kib()
            s.load.close()
            time.sleep(self.idle_seconds)
            left, _ = s.memory_kib()
            return {
                "cpu_us_per_arrival": spent.server / self.listeners * 1e6,
                "redis_us_per_arrival": spent.redis / self.listeners * 1e6,
                "seconds": seconds,
                "kib_right_after": (rushed - base) / self.listeners,
                "kib_idle": (idled - base) / self.listeners,
                "left_ratio": left / base,
                "base_mib": base / 1024,
                "integrity": integrity(arrived),
            }
