"""A loop of `send` in Python and in C: what the kernel costs."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.environment import BENCH, Environment
from bench.handover import Handover, payload
from bench.peers.peer import Running, start
from bench.processes import SERVER_CORE, Process


class Bare:
    def __init__(self, language: str) -> None:
        self.name = f"bare-{language.lower()}"
        self.title = f"bare loop of send, {language}"
        self._language = language

    def start(self, environment: Environment, log: Path) -> Running:
        command = (
            [environment.program("bare")]
            if self._language == "C"
            else [sys.executable, BENCH / "servers" / "bare.py"]
        )
        server, port = start(lambda port: Process([*command, str(port)], core=SERVER_CORE, log=log))

        def handover(prefix: str, channels: int, size: int) -> Handover:
            calls = [b"%d %s\n" % (n, payload(size)) for n in range(channels)]
            return Handover(("127.0.0.1", port), calls, None, "lines on one connection")

        return Running(server, port, lambda prefix: f"/{prefix}-%d", handover)
