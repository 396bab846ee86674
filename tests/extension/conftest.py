"""The program under the servers that people run Flask with, and its worker."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.support.deadline import answers
from tests.support.process import Process, ReservedPort
from tests.support.provider import ScriptedProvider
from tests.support.real import ROOT
from tests.support.stack import clean_environ
from tests.support.valkey import Valkey

PROGRAM = "tests.extension.program:create_app"
SERVERS = {
    "gunicorn": [
        "gunicorn", "--worker-class", "hub.web.gunicorn_worker.Worker", "--no-control-socket",
        "--bind", "127.0.0.1:{port}", "--graceful-timeout", "2", f"{PROGRAM}()",
    ],
    "gthread": [
        "gunicorn", "--worker-class", "gthread", "--threads", "16", "--no-control-socket",
        "--bind", "127.0.0.1:{port}", "--graceful-timeout", "1", f"{PROGRAM}()",
    ],
    "flask": ["flask", "--app", PROGRAM, "run", "--port", "{port}"],
    "waitress": ["waitress", "--listen", "127.0.0.1:{port}", "--threads", "16", "--call", PROGRAM],
    "uwsgi": [
        "tests.extension.uwsgi", "--http-socket", "127.0.0.1:{port}", "--master", "--need-app",
        "--enable-threads", "--threads", "16", "--die-on-term", "--module", f"{PROGRAM}()",
    ],
}  # fmt: skip

Serve = Callable[[str], str]


@pytest.fixture
def environ(valkey: Valkey, provider: ScriptedProvider) -> dict[str, str]:
    return {
        **clean_environ(),
        "PROGRAM_REDIS_URL": valkey.url,
        "OPENAI_BASE_URL": provider.base_url,
        "HUB_HEARTBEAT_SECONDS": "1",
        "HUB_GRACE_SECONDS": "1",
        "PYTHONPATH": str(ROOT),  # and not this folder: the checkout has a gunicorn.conf.py
    }


@pytest.fixture
def serve(environ: dict[str, str], tmp_path: Path, processes: list[Process]) -> Iterator[Serve]:
    """`serve("waitress")`: the program under that server. Its URL."""

    ports: list[ReservedPort] = []

    def start(name: str) -> str:
        port = ReservedPort()
        ports.append(port)
        command = [part.format(port=port.number) for part in SERVERS[name]]
        server = Process(
            name, [sys.executable, "-m", *command], tmp_path / "log", env=environ, cwd=tmp_path
        )
        processes.append(server)
        server.start()
        url = f"http://127.0.0.1:{port.number}"
        answers(lambda: requests.get(url, timeout=2))
        return url

    yield start
    for port in ports:
        port.close()


@pytest.fixture
def worker(environ: dict[str, str], tmp_path: Path, processes: list[Process]) -> Process:
    """`flask hubbub worker`, with the program's own configuration."""
    command = [sys.executable, "-m", "flask", "--app", PROGRAM, "hubbub", "worker"]
    started = Process("worker", command, tmp_path / "worker.log", env=environ, cwd=tmp_path)
    processes.append(started)
    return started.start()
