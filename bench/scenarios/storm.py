"""(d) A storm: everybody was cut off and comes back at once, with the id of the last event seen.

A peer that cannot replay is measured until all its listeners hear again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from bench.environment import Environment
from bench.peers.peer import Peer
from bench.session import Session, integrity, load_share, session

SEEN, MISSED = 100, 10
EVENT_BYTES = 200


@dataclass(frozen=True)
class Storm:
    listeners: int
    name: str = "storm"
    peers: tuple[str, ...] = (
        "flask-sse", "fastapi-own", "fastapi-shared", "nchan", "bare-python", "bare-c", "hub",
    )  # fmt: skip

    @property
    def title(self) -> str:
        return f"{self.listeners:,} return at once, {MISSED} events behind"

    def measure(self, environment: Environment, peer: Peer) -> dict[str, Any]:
        with session(environment, peer) as s:
            traffic = s.traffic("storm", 1, EVENT_BYTES)
            if not peer.replays:
                return self._arrive(s)
            s.open("storm", 1, self.listeners)
            ids = s.event_ids("storm", traffic, SEEN + MISSED)
            s.load.close()
            time.sleep(1)
            before = s.cpu()
            s.load.expect(SEEN, MISSED)
            s.load.open(1, self.listeners, s.running.path("storm"), after=ids[SEEN - 1])
            arrived = s.load.wait(60)
            spent = s.cpu() - before
            return {
                "seconds": (arrived["last_arrival_us"] - arrived["open_began_us"]) / 1e6,
                "cpu_us_per_arrival": spent.server / self.listeners * 1e6,
                "redis_us_per_arrival": spent.redis / self.listeners * 1e6,
                "replayed": arrived["deliveries"] / self.listeners,
                "load_share": load_share(arrived),
                "integrity": integrity(arrived),
            }

    def _arrive(self, s: Session) -> dict[str, Any]:
        traffic = s.traffic("storm", 1, EVENT_BYTES)
        s.open("storm", 1, 200)
        traffic.warm_up(events=10, per_second=20)
        s.load.close()
        time.sleep(1)
        before, began = s.cpu(), time.monotonic()
        s.open("storm", 1, self.listeners)
        seconds, spent = time.monotonic() - began, s.cpu() - before
        traffic.warm_up(events=3, per_second=2)
        return {
            "seconds": seconds,
            "cpu_us_per_arrival": spent.server / self.listeners * 1e6,
            "redis_us_per_arrival": spent.redis / self.listeners * 1e6,
            "replayed": 0,
        }
