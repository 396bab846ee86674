"""(i) Publishing over HTTP: keep-alive connections, each of which sends its next request when the
last one was answered. Each publishes to a channel of its own, which has one listener.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from bench.environment import Environment
from bench.load import LoadFailed
from bench.peers.peer import Peer
from bench.processes import LOAD_CORE, Process
from bench.session import Session, integrity, session

EVENT_BYTES = 200
WARM_UP_REQUESTS = 20
WITH_HTTP = ("nchan", "centrifugo", "centrifugo-redis", "mercure", "hub")


@dataclass(frozen=True)
class Publish:
    """Each connection sends `requests` of `events` each: one, or many as NDJSON, which is Hubbub's
    own."""

    connections: int
    requests: int
    name: str
    events: int = 1
    peers: tuple[str, ...] = WITH_HTTP

    @property
    def title(self) -> str:
        what = "an event" if self.events == 1 else f"{self.events} events as NDJSON"
        return f"publishing over HTTP, {what} a request, {self.connections} connections"

    def measure(self, environment: Environment, peer: Peer) -> dict[str, Any]:
        with session(environment, peer) as s:
            self._post(s, environment, "warm", WARM_UP_REQUESTS)
            s.open("post", self.connections, 1)
            before = s.cpu()
            s.load.expect(0, self.requests * self.events)
            found = self._post(s, environment, "post", self.requests)
            arrived = s.load.wait(20)
            spent = s.cpu() - before
            return {
                "cpu_us": spent.server / found["events"] * 1e6,
                "redis_us": spent.redis / found["events"] * 1e6,
                "events_per_second": found["events"] / found["seconds"],
                "events_per_core_second": found["events"] / spent.server,
                "p50_ms": found["p50_ms"],
                "p99_ms": found["p99_ms"],
                "load_share": found["cpu_seconds"] / found["seconds"],
                "integrity": integrity(arrived),
            }

    def _post(
        self, s: Session, environment: Environment, prefix: str, requests: int
    ) -> dict[str, Any]:
        assert s.running.post
        lines = [b"%d %d\n" % (requests, self.connections)]
        for request in s.running.post(prefix, self.connections, EVENT_BYTES, self.events):
            lines += [b"%d\n" % len(request), request]
        process = Process(
            [environment.program("post"), str(s.running.port)],
            core=LOAD_CORE, log=s.log, piped=True,
        )  # fmt: skip
        answer, _ = process.popen.communicate(b"".join([*lines, b"go\n"]), timeout=150)
        found: dict[str, Any] = json.loads(answer.splitlines()[-1])
        if found["trouble"]:
            raise LoadFailed(f"publishing was answered: {found['trouble']}")
        return found
