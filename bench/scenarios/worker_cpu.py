"""(f) What a worker spends on a delta, publishing included, against the `openai` package that
merely reads the same stream."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from bench.environment import Environment
from bench.generating import generating
from bench.load import LoadFailed, Provider
from bench.peers.openai_package import OpenAiPackage
from bench.peers.peer import Peer
from bench.processes import free_port
from bench.session import integrity


@dataclass(frozen=True)
class WorkerCpu:
    """`per_second` 0: a burst, as fast as it is read."""

    generations: int
    deltas: int
    per_second: float
    name: str
    peers: tuple[str, ...] = ("openai-threads", "openai-async", "hub")

    @property
    def title(self) -> str:
        pace = f"at {self.per_second:g} deltas/s" if self.per_second else "in a burst"
        streams = "1 stream" if self.generations == 1 else f"{self.generations} streams"
        return f"reading {streams} × {self.deltas:,} deltas {pace}: CPU per delta"

    @property
    def _seconds(self) -> float:
        return 30 + (self.deltas / self.per_second if self.per_second else 0)

    def measure(self, environment: Environment, peer: Peer) -> dict[str, Any]:
        if isinstance(peer, OpenAiPackage):
            return self._read(environment, peer)
        with generating(environment) as g:
            g.load.expect(0, self.deltas)
            g.ask(self.generations)
            g.load.expect(0, self.deltas)
            before = g.worker.cpu_seconds()
            g.provider.go(self.deltas, self.per_second)
            arrived = g.load.wait(self._seconds)
            spent = g.worker.cpu_seconds() - before
            return {
                "cpu_us": spent / (self.deltas * self.generations) * 1e6,
                "deltas_per_event": arrived["deliveries"] / max(1, arrived["events"]),
                "integrity": integrity(arrived),
            }

    def _read(self, environment: Environment, peer: OpenAiPackage) -> dict[str, Any]:
        log, port = environment.out / f"{peer.name}.log", free_port()
        log.unlink(missing_ok=True)
        provider = Provider(environment.program("provider"), port, log)
        reader = peer.read(environment, port, self.generations, log)
        try:
            provider.wait_for(self.generations)
            provider.go(self.deltas, self.per_second)
            assert reader.popen.stdout
            line = reader.popen.stdout.readline()
            if not line:
                raise LoadFailed(f"the reader ended\n{reader.log_tail()}")
        finally:
            reader.stop()
            provider.stop()
        found = json.loads(line)
        return {
            "cpu_us": found["cpu_seconds"] / found["deltas"] * 1e6,
            "integrity": {
                "missing": self.deltas * self.generations - found["deltas"],
                "doubled_or_late": 0,
                "excess": 0,
            },
        }
