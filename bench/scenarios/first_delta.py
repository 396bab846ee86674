"""(k) What stands between a client and a provider adds to the time to the first delta: streamed
completions asked for at a pace, directly and through the peer, of the same provider.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench.environment import BENCH, Environment
from bench.generating import generating
from bench.load import LoadFailed, Provider
from bench.peers.litellm import LiteLlm
from bench.peers.peer import Peer
from bench.processes import Process, free_port

DELTAS, DELTAS_PER_SECOND = 20, 50
WARM_SECONDS = 3


@dataclass(frozen=True)
class FirstDelta:
    paces: tuple[int, ...]
    seconds: float
    name: str = "first-delta"
    peers: tuple[str, ...] = ("litellm", "hub")

    @property
    def title(self) -> str:
        paces = ", ".join(map(str, self.paces))
        return f"what is added to the time to the first delta, at {paces} requests/s"

    def measure(self, environment: Environment, peer: Peer) -> dict[str, Any]:
        with _between(environment, peer) as (provider, provider_port, port, processes):
            provider.at_once(DELTAS, DELTAS_PER_SECOND)
            path = "/v1/chat/completions"
            _ask(port, path, 10, WARM_SECONDS)
            figures: dict[str, Any] = {}
            for pace in self.paces:
                seconds = max(self.seconds, 10 / pace)
                direct = _ask(provider_port, path, pace, seconds)
                cpu = sum(process.cpu_seconds() for process in processes)
                through = _ask(port, path, pace, seconds)
                spent = sum(process.cpu_seconds() for process in processes) - cpu
                figures |= {
                    f"added_{pace}_ms": through["first_50"] - direct["first_50"],
                    f"added_{pace}_p99_ms": through["first_99"] - direct["first_99"],
                    f"there_{pace}_ms": through["there_50"] - direct["there_50"],
                    f"cpu_{pace}_ms": spent / through["asked"] * 1000,
                    f"failed_{pace}": through["failed"],
                }
            return figures


@contextmanager
def _between(
    environment: Environment, peer: Peer
) -> Iterator[tuple[Provider, int, int, list[Process]]]:
    if not isinstance(peer, LiteLlm):
        with generating(environment) as g:
            yield g.provider, g.provider_port, g.port, [g.web, g.worker]
        return
    log, provider_port = environment.out / f"{peer.name}.log", free_port()
    log.unlink(missing_ok=True)
    provider = Provider(environment.program("provider"), provider_port, log)
    try:
        process, port = peer.between(environment, provider_port, log)
        try:
            yield provider, provider_port, port, [process]
        finally:
            process.stop()
    finally:
        provider.stop()


def _ask(port: int, path: str, per_second: float, seconds: float) -> dict[str, Any]:
    """This process is on the load's core, and what it starts is, too."""
    arguments = [str(port), path, "bench", str(per_second), str(seconds)]
    asked = subprocess.run(
        [sys.executable, "-m", "bench.asker", *arguments],
        cwd=BENCH.parent, capture_output=True, text=True,
    )  # fmt: skip
    if asked.returncode:
        raise LoadFailed(asked.stderr[-500:])
    found: dict[str, Any] = json.loads(asked.stdout)
    if "first_50" not in found:
        raise LoadFailed(f"nothing was answered: {found['trouble']}")
    return found
