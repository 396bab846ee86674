"""(g) Readers that read nothing beside readers that do: what the healthy ones notice of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.environment import Environment
from bench.peers.peer import Peer
from bench.session import Session, session

EVENT_BYTES = 8000


@dataclass(frozen=True)
class Stalled:
    """Enough bytes that every buffer on the way to a stalled reader is full early on."""

    healthy: int
    stalled: int
    per_second: float
    seconds: float
    name: str = "stalled"
    peers: tuple[str, ...] = ("flask-sse", "fastapi-shared", "nchan", "hub")

    @property
    def title(self) -> str:
        return f"{self.stalled} stalled readers beside {self.healthy} healthy ones"

    def measure(self, environment: Environment, peer: Peer) -> dict[str, Any]:
        with session(environment, peer) as s:
            without = self._run(s, "alone")
            s.load.close()
            if s.running.head_is_late:
                # the head, and with it the stall, comes with the first event of the warm-up
                s.load.open(1, self.stalled, s.running.path("beside"), how="ask-stall")
            else:
                s.load.open(1, self.stalled, s.running.path("beside"), how="stall")
            beside = self._run(s, "beside")
            return {
                "p50_ms": without["p50_ms"],
                "p99_ms": without["p99_ms"],
                "p50_beside_ms": beside["p50_ms"],
                "p99_beside_ms": beside["p99_ms"],
                "p99_ratio": beside["p99_ms"] / without["p99_ms"],
                "integrity": {
                    name: without[name] + beside[name]
                    for name in ("missing", "doubled_or_late", "excess")
                },
            }

    def _run(self, s: Session, prefix: str) -> dict[str, Any]:
        s.open(prefix, 1, self.healthy)
        traffic = s.traffic(prefix, 1, EVENT_BYTES)
        traffic.warm_up(events=20, per_second=self.per_second)
        arrived, _ = traffic.measure(
            int(self.per_second * self.seconds), self.per_second, seconds=self.seconds * 2 + 20
        )
        return arrived
