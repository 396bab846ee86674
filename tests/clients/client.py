"""A client under test as the scenario sees it: text that grows, and an end."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Protocol

from playwright.sync_api import Page

from tests.support.deadline import patience
from tests.support.real import ROOT, missing, node_binary
from tests.support.stack import clean_environ

PROGRAMS = Path(__file__).parent / "programs"
_JAVA = ROOT / ".venv" / "java-clients"
COMPILED = {
    "go": [str(ROOT / ".venv" / "go-clients")],
    "rs": [str(ROOT / ".venv" / "rust-clients" / "debug" / "clients")],
    "java": ["java", "-cp", f"{_JAVA / 'classes'}:{_JAVA / 'dependency'}/*", "Clients"],
}
"""What `make test-clients` has built, by language."""
"""One program with all clients in Go, built by `make test-clients`."""
IN_ASKERS = ("requests_sse_client.py", "aiosseclient_client.py")
NODE_MODULES = Path(__file__).parent / "node_modules"


class Client(Protocol):
    @property
    def text(self) -> str: ...

    @property
    def end(self) -> str:
        """How it recognised the end; '' while it has not."""
        ...


def command(program: str) -> list[str]:
    """How to start one of `programs/`."""
    if program.endswith(".mjs"):
        return [node(), str(PROGRAMS / program)]
    name, _, language = program.rpartition(".")
    if language in COMPILED:
        return [*COMPILED[language], name]
    python = askers_python() if program in IN_ASKERS else sys.executable
    return [python, "-m", f"tests.clients.programs.{program.removesuffix('.py')}"]


class ProgramClient:
    """A process that prints JSON lines (`programs/`)."""

    def __init__(self, program: str, *arguments: str) -> None:
        self.said: list[dict[str, Any]] = []
        self._process = subprocess.Popen(
            [*command(program), *arguments], stdout=subprocess.PIPE, env=clean_environ(), cwd=ROOT
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        text = ""
        for told in list(self.said):
            text = told.get("whole", text) + told.get("text", "")
        return text

    @property
    def end(self) -> str:
        return next((told["end"] for told in list(self.said) if "end" in told), "")

    @property
    def error(self) -> str:
        return next((told["error"] for told in list(self.said) if "error" in told), "")

    def exit_code(self) -> int:
        """Waits for it: a client that reconnects for ever does not come to this."""
        return self._process.wait(timeout=20 * patience())

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(json.loads(line))


class PageClient:
    """A page with its state in `window.result`."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        page.goto(url)
        page.wait_for_function("() => window.result")

    @property
    def text(self) -> str:
        return str(self.page.evaluate("() => window.result.text"))

    @property
    def end(self) -> str:
        return str(self.page.evaluate("() => window.result.ended"))

    @property
    def shown(self) -> str:
        return str(self.page.evaluate("() => document.querySelector('#text').textContent"))

    def close(self) -> None:
        self.page.close()


def node() -> str:
    if not (NODE_MODULES / ".installed-from").exists():
        missing("the clients for Node.js (tests/clients/install)")
    return node_binary()


def askers_python() -> str:
    """The environment of clients that Hubbub itself does not use."""
    found = ROOT / ".venv" / "askers" / "bin" / "python"
    if not found.exists():
        missing("the clients for Python (tests/clients/install)")
    return str(found)
