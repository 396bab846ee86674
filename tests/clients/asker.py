"""A program of `askers/` as the tests see it: it is told what to do, and what it says is kept."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.clients.client import COMPILED, askers_python, command, node
from tests.support.real import ROOT
from tests.support.stack import clean_environ

_PROGRAMS = Path(__file__).parent / "askers"
_WAIT_SECONDS = 60
"""For one line. The first comes when all is imported."""


@dataclass(frozen=True)
class Kind:
    """One client: its program, the interface that it asks on, and what it cannot do."""

    program: str
    package: str
    face: str = "chat"
    cannot: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.program}-{self.face}"

    def command(self) -> list[str]:
        if self.program.endswith(".mjs"):
            return [node(), str(_PROGRAMS / self.program)]
        if self.program.rpartition(".")[2] in COMPILED:
            return command(self.program)
        return [askers_python(), "-m", f"tests.clients.askers.{self.program.removesuffix('.py')}"]


@dataclass
class Said:
    """All that one order led to."""

    text: str = ""
    objects: list[Any] = field(default_factory=list)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    usage: list[int] | None = None
    error: dict[str, Any] | None = None

    def take(self, told: dict[str, Any]) -> None:
        self.text += told.get("text") or ""
        if "object" in told:
            self.objects.append(told["object"])
        if "tool" in told:
            self.calls.append((told["tool"], told["arguments"]))
        self.usage = told.get("usage", self.usage)
        if "error" in told:
            self.error = told


class Asker:
    """The running program; one order at a time."""

    def __init__(self, kind: Kind, hub_url: str, folder: Path) -> None:
        # langsmith, litellm and llm would fetch, report or keep something of their own.
        quiet = {
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LLM_USER_PATH": str(folder),
            "LANGSMITH_TRACING": "false",
        }
        self._lines: queue.Queue[str] = queue.Queue()
        self._process = subprocess.Popen(
            [*kind.command(), hub_url, kind.face],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**clean_environ(), **quiet},
            cwd=ROOT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def do(self, what: str, prompt: str) -> Said:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, "prompt": prompt}) + "\n")
        self._process.stdin.flush()
        said = Said()
        while "done" not in (told := self._next()):
            said.take(told)
        return said

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _next(self) -> dict[str, Any]:
        line = self._lines.get(timeout=_WAIT_SECONDS)
        assert line, "the program has ended"
        told: dict[str, Any] = json.loads(line)
        return told

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")
