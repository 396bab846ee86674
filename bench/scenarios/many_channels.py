"""(b) Many channels with few listeners: the cost of an event rather than of a delivery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.environment import Environment
from bench.peers.peer import Peer
from bench.session import integrity, load_share, session

EVENT_BYTES = 60


@dataclass(frozen=True)
class ManyChannels:
    channels: int
    listeners: int
    per_second: float
    seconds: float
    name: str = "channels"
    peers: tuple[str, ...] = (
        "flask-sse", "fastapi-own", "fastapi-shared", "nchan", "nchan-redis", "centrifugo",
        "centrifugo-redis", "mercure", "bare-python", "bare-c", "hub",
    )  # fmt: skip

    @property
    def title(self) -> str:
        return (
            f"{self.channels} channels × {self.listeners} listeners × "
            f"{self.per_second:g} events/s of {EVENT_BYTES} bytes"
        )

    def measure(self, environment: Environment, peer: Peer) -> dict[str, Any]:
        with session(environment, peer) as s:
            s.open("many", self.channels, self.listeners)
            traffic = s.traffic("many", self.channels, EVENT_BYTES)
            traffic.warm_up(events=10, per_second=min(10, self.per_second))
            before = s.cpu()
            arrived, published = traffic.measure(
                int(self.per_second * self.seconds), self.per_second, seconds=self.seconds * 8 + 20
            )
            spent = s.cpu() - before
            return {
                "cpu_us": spent.server / arrived["deliveries"] * 1e6,
                "redis_us": spent.redis / arrived["deliveries"] * 1e6,
                "cpu_and_redis_us": (spent.server + spent.redis) / arrived["deliveries"] * 1e6,
                "p50_ms": arrived["p50_ms"],
                "p99_ms": arrived["p99_ms"],
                "load_share": load_share(arrived),
                "publisher_late_ms": published["late_ms"],
                "integrity": integrity(arrived),
            }
