"""The official `openai` package, merely reading a stream: what a worker is held against."""

from __future__ import annotations

from pathlib import Path

from bench.environment import BENCH, Environment
from bench.peers.peer import Running
from bench.processes import SERVER_CORE, Process


class OpenAiPackage:
    """`how`: `threads` (the ordinary client, a thread for each stream) or `async`."""

    def __init__(self, how: str) -> None:
        self.name = f"openai-{how}"
        self.title = f"openai package, reading only ({how})"
        self._how = how

    def start(self, environment: Environment, log: Path) -> Running:
        raise NotImplementedError("it serves nobody")

    def read(self, environment: Environment, port: int, streams: int, log: Path) -> Process:
        """Begin to read `streams` streams; prints how many deltas it has read, and ends."""
        return Process(
            [
                environment.python,
                BENCH / "servers" / "openai_reader.py",
                f"http://127.0.0.1:{port}/v1",
                self._how,
                str(streams),
            ],
            core=SERVER_CORE,
            log=log,
            piped=True,
        )
