"""One hub, one worker and a scripted provider for the command line's tests.

run       a command as scripts run it, between pipes: `run("publish", "news", "x")`
start     the same, left running
terminal  the same at a terminal: `terminal("generate", "x")`, see `tests/command/terminal.py`
own_hub   a hub of the test's own, which it may break
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.command.terminal import Terminal
from tests.conftest import StartStack
from tests.support.deadline import patience
from tests.support.real import ROOT
from tests.support.shared import Shared, shared_stack
from tests.support.shared import hub as hub
from tests.support.shared import provider as provider
from tests.support.stack import Stack, clean_environ

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]
StartTerminal = Callable[..., Terminal]

COMMAND = (sys.executable, "-m", "hub")


@pytest.fixture(scope="package")
def shared() -> Iterator[Shared]:
    with shared_stack() as shared:
        yield shared


@pytest.fixture
def own_hub(stack: StartStack) -> Stack:
    return stack(workers=0)


def environ(hub: Stack | str, more: Mapping[str, str]) -> dict[str, str]:
    url = hub if isinstance(hub, str) else hub.url
    return {**clean_environ(), "HUB_URL": url, "COLUMNS": "80", **more}


@pytest.fixture
def run(hub: Stack) -> Run:
    def go(
        *words: str, at: Stack | str = hub, stdin: str = "", **env: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words],
            cwd=ROOT,
            env=environ(at, env),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60 * patience(),
        )

    return go


@pytest.fixture
def start(hub: Stack) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def go(*words: str, at: Stack = hub) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *words],
            cwd=ROOT,
            env=environ(at, {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield go
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def terminal(hub: Stack) -> Iterator[StartTerminal]:
    started: list[Terminal] = []

    def go(*words: str, at: Stack = hub, command: Sequence[str] = COMMAND, **env: str) -> Terminal:
        started.append(Terminal([*command, *words], ROOT, environ(at, env)))
        return started[-1]

    yield go
    for one in started:
        one.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each command is a process of its own, so what runs one takes a second or more."""
    for item in items:
        here = item.path.is_relative_to(Path(__file__).parent)
        if here and {"run", "hub"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
