"""(c) What an idle listener occupies: proportional set size of the server's processes, before and
after. Socket buffers belong to the kernel and are not in it.

The listeners come few at a time: what a rush of requests needs for a moment is not what an idle
listener occupies.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from bench.environment import Environment
from bench.peers.peer import Peer
from bench.session import session

WARM_LISTENERS = 200
AT_ONCE = 20
SETTLE_SECONDS = 1.5


@dataclass(frozen=True)
class Memory:
    listeners: int
    name: str = "memory"
    peers: tuple[str, ...] = (
        "flask-sse", "fastapi-own", "fastapi-shared", "nchan", "centrifugo", "mercure",
        "bare-python", "bare-c", "hub",
    )  # fmt: skip

    @property
    def title(self) -> str:
        return f"memory per idle listener at {self.listeners:,}"

    def measure(self, environment: Environment, peer: Peer) -> dict[str, Any]:
        with session(environment, peer) as s:
            traffic = s.traffic("idle", 1, 200)
            s.load.at_once(AT_ONCE)
            s.open("idle", 1, WARM_LISTENERS)
            traffic.warm_up(events=10, per_second=20)
            s.load.close()
            time.sleep(SETTLE_SECONDS)
            server, redis = s.memory_kib()
            s.open("idle", 1, self.listeners)
            traffic.warm_up(events=5, per_second=2)
            time.sleep(SETTLE_SECONDS)
            server_after, redis_after = s.memory_kib()
            return {
                "kib_per_listener": (server_after - server) / self.listeners,
                "redis_kib_per_listener": (redis_after - redis) / self.listeners,
                "server_mib": server_after / 1024,
            }
