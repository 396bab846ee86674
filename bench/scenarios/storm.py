"""(d) A storm: everybody was cut off and comes back at once, a few events behind, with what the
peer wants to know of the last one: its id, or a position.

`older` events stand in the history before those that were seen. A history that is read from its
beginning, or copied whole, for each one that returns shows there. A peer that cannot replay is not
measured here; what it spends on an arrival stands in (c).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from bench.environment import Environment
from bench.peers.peer import Peer
from bench.session import Session, integrity, load_share, session

SEEN, MISSED = 100, 20
EVENT_BYTES = 200


@dataclass(frozen=True)
class Storm:
    listeners: int
    older: int
    name: str
    peers: tuple[str, ...] = (
        "nchan", "nchan-redis", "centrifugo", "centrifugo-redis", "mercure", "hub",
    )  # fmt: skip

    @property
    def title(self) -> str:
        deep = f", {self.older:,} older ones in the history" if self.older else ""
        return f"{self.listeners:,} return at once, {MISSED} events behind{deep}"

    def measure(self, environment: Environment, peer: Peer) -> dict[str, Any]:
        with session(environment, peer) as s:
            traffic = s.traffic("storm", 1, EVENT_BYTES)
            if self.older:
                s.published("storm", traffic, self.older)
            s.open("storm", 1, self.listeners)
            ids = s.published("storm", traffic, SEEN + MISSED)
            s.load.close()
            time.sleep(1)
            before = s.cpu()
            s.load.expect(self.older + SEEN, MISSED)
            self._come_back(s, ids)
            arrived = s.load.wait(60)
            spent = s.cpu() - before
            return {
                "seconds": (arrived["last_arrival_us"] - arrived["open_began_us"]) / 1e6,
                "cpu_us_per_arrival": spent.server / self.listeners * 1e6,
                "redis_us_per_arrival": spent.redis / self.listeners * 1e6,
                "cpu_and_redis_us": (spent.server + spent.redis) / self.listeners * 1e6,
                "replayed": arrived["deliveries"] / self.listeners,
                "load_share": load_share(arrived),
                "integrity": integrity(arrived),
            }

    def _come_back(self, s: Session, ids: list[str]) -> None:
        if s.running.resume:
            s.load.open(1, self.listeners, s.running.resume("storm", MISSED))
        else:
            path = s.running.path("storm")
            s.load.open(1, self.listeners, path, after=ids[-MISSED - 1])
