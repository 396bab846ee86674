"""(a) Many listeners on one channel, 200-byte events: paced, and as fast as the peer takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.environment import Environment
from bench.peers.peer import Peer
from bench.session import integrity, load_share, session

EVENT_BYTES = 200
PEERS = (
    "flask-sse", "fastapi-own", "fastapi-shared", "nchan", "centrifugo", "centrifugo-redis",
    "mercure", "bare-python", "bare-c", "hub",
)  # fmt: skip
# A Redis connection for each of 5,000 listeners adds nothing that 1,000 do not show.
AT_5000 = tuple(name for name in PEERS if name != "fastapi-own")
SLOW = ("flask-sse", "fastapi-own", "fastapi-shared", "centrifugo", "centrifugo-redis", "mercure")
SLOW_AT_5000 = (*SLOW, "nchan", "bare-python", "bare-c")


@dataclass(frozen=True)
class Paced:
    """Latency, and server CPU per delivery, at a rate that every peer can bear."""

    listeners: int
    per_second: float
    seconds: float
    name: str
    peers: tuple[str, ...] = PEERS

    @property
    def title(self) -> str:
        return f"{self.listeners:,} listeners, {self.per_second:g} events/s"

    def measure(self, environment: Environment, peer: Peer) -> dict[str, Any]:
        with session(environment, peer) as s:
            s.open("paced", 1, self.listeners)
            traffic = s.traffic("paced", 1, EVENT_BYTES)
            traffic.warm_up(events=max(3, int(self.per_second)), per_second=self.per_second)
            before = s.cpu()
            arrived, published = traffic.measure(
                int(self.per_second * self.seconds), self.per_second, seconds=self.seconds + 20
            )
            spent = s.cpu() - before
            return {
                "cpu_us": spent.server / arrived["deliveries"] * 1e6,
                "redis_us": spent.redis / arrived["deliveries"] * 1e6,
                "p50_ms": arrived["p50_ms"],
                "p99_ms": arrived["p99_ms"],
                "max_ms": arrived["max_ms"],
                "load_share": load_share(arrived),
                "publisher_late_ms": published["late_ms"],
                "integrity": integrity(arrived),
            }


@dataclass(frozen=True)
class FullSpeed:
    """Deliveries a second from the first publish to the last arrival.

    `slow_events`: fewer events for some `slow` peers that would need minutes; the rate does not
    depend on it.
    """

    listeners: int
    events: int
    slow_events: int
    slow: tuple[str, ...]
    name: str
    seconds: float = 90
    peers: tuple[str, ...] = (*PEERS, "hub-post")

    @property
    def title(self) -> str:
        return f"{self.listeners:,} listeners, {self.events:,} events at full speed"

    def measure(self, environment: Environment, peer: Peer) -> dict[str, Any]:
        events = self.slow_events if peer.name in self.slow else self.events
        with session(environment, peer) as s:
            s.open("full", 1, self.listeners)
            traffic = s.traffic("full", 1, EVENT_BYTES)
            traffic.warm_up(events=10, per_second=max(2, 10_000 // self.listeners))
            traffic = s.burst(traffic, "full", 1, EVENT_BYTES)
            before = s.cpu()
            arrived, _ = traffic.measure(events, None, seconds=self.seconds)
            spent = s.cpu() - before
            seconds = (arrived["last_arrival_us"] - arrived["first_stamp_us"]) / 1e6
            return {
                "deliveries_per_second": arrived["deliveries"] / seconds,
                "cpu_us": spent.server / arrived["deliveries"] * 1e6,
                "redis_us": spent.redis / arrived["deliveries"] * 1e6,
                "p50_ms": arrived["p50_ms"],
                "p99_ms": arrived["p99_ms"],
                "events": events,
                "server_share": spent.server / seconds,
                "load_share": load_share(arrived),
                "deliveries_per_receive": arrived["deliveries"] / max(1, arrived["receives"]),
                "integrity": integrity(arrived),
            }
