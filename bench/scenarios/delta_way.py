"""(e) A delta's way, from the provider's socket through worker, Redis and web to the listener's."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from bench.environment import Environment
from bench.generating import generating
from bench.peers.peer import Peer
from bench.processes import SERVER_CORE
from bench.session import integrity, load_share


@dataclass(frozen=True)
class DeltaWay:
    """The provider stamps each delta when it writes it, the listener looks when it has read it."""

    generations: int
    per_second: float
    seconds: float
    name: str = "delta-way"
    web_core: int = SERVER_CORE
    peers: tuple[str, ...] = ("hub",)

    @property
    def title(self) -> str:
        return (
            f"a delta's way, {self.generations} generations × {self.per_second:g} deltas/s, "
            "a listener each" + self._apart
        )

    @property
    def _apart(self) -> str:
        return "" if self.web_core == SERVER_CORE else ", the worker alone on its core"

    def measure(self, environment: Environment, peer: Peer) -> dict[str, Any]:
        deltas = int(self.per_second * self.seconds)
        with generating(environment, self.web_core) as g:
            g.load.expect(0, deltas)
            g.ask(self.generations)
            g.load.expect(0, deltas)
            before = _cpu(g)
            began = time.monotonic()
            g.provider.go(deltas, self.per_second)
            arrived = g.load.wait(self.seconds + 20)
            seconds = time.monotonic() - began
            spent = {name: cpu - before[name] for name, cpu in _cpu(g).items()}
            return {
                "p50_ms": arrived["p50_ms"],
                "p99_ms": arrived["p99_ms"],
                "max_ms": arrived["max_ms"],
                **{f"{name}_us": cpu / arrived["deliveries"] * 1e6 for name, cpu in spent.items()},
                **{f"{name}_share": cpu / seconds for name, cpu in spent.items()},
                "deltas_per_event": arrived["deliveries"] / max(1, arrived["events"]),
                "provider_late_ms": g.provider.sent()["late_ms"],
                "load_share": load_share(arrived),
                "integrity": integrity(arrived),
            }


def _cpu(g: Any) -> dict[str, float]:
    return {
        "worker": g.worker.cpu_seconds(),
        "redis": g.redis.cpu_seconds(),
        "web": g.web.cpu_seconds(),
    }
