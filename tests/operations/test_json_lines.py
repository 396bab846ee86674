"""With `HUB_LOG_FORMAT=json` every line is a JSON object, whoever wrote it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import StartStack, StartValkey
from tests.support.deadline import eventually
from tests.support.process import Process
from tests.support.real import ROOT
from tests.support.stack import Worker, clean_environ

JSON = {"HUB_LOG_FORMAT": "json"}

TROUBLE = """
import logging, warnings
import gevent
import app as hubbub

app = hubbub.app
warnings.warn("a warning of Python's")
logging.getLogger("somebody.else").error("a line of another library's")
gevent.spawn(lambda: 1 / 0)
"""

GENERATOR = """
import logging, warnings
import gevent

def answer(request):
    warnings.warn("a warning of Python's")
    logging.getLogger("somebody.else").error("a line of another library's")
    gevent.spawn(lambda: 1 / 0)
    gevent.sleep(0)
    yield "done"
"""


def loggers(process: Process) -> set[str]:
    """Who wrote the lines; each of which must be JSON."""
    return {json.loads(line)["logger"] for line in process.log().splitlines()}


@pytest.mark.slow
def test_other_libraries_warnings_and_lost_exceptions_are_json_in_web_and_worker(
    stack: StartStack, tmp_path: Path
) -> None:
    (tmp_path / "trouble.py").write_text(TROUBLE)
    (tmp_path / "troubled.py").write_text(GENERATOR)
    settings = {**JSON, "PYTHONPATH": str(tmp_path), "HUB_GENERATORS": "own=troubled:answer"}
    hub = stack(settings, webs=0)
    web = hub.add_web("trouble:app")
    hub.until_ready()
    assert web.finished(web.generate("hello", model="own"))["status"] == "completed"
    wanted = {"py.warnings", "somebody.else", "hub.greenlet"}
    for process in (web, hub.worker):
        eventually(lambda process=process: wanted <= loggers(process))  # type: ignore[misc]
        assert "ZeroDivisionError" in process.log()


@pytest.mark.slow
def test_what_ends_a_worker_is_json_too(
    start_valkey: StartValkey, tmp_path: Path, processes: list[Process]
) -> None:
    server = start_valkey()
    with server.client() as client:
        client.set("hub:{data}:version", "999")
    env = {**clean_environ(), **JSON, "REDIS_URL": server.url, "OPENAI_API_KEY": "a-key"}
    worker = Worker(tmp_path / "worker", env)
    processes.append(worker)
    worker.start()
    assert worker.wait(30) == 1
    assert loggers(worker) == {"workers"}


def test_an_exception_that_nobody_catches_is_a_line() -> None:
    program = "from hub.logs import take_everything; take_everything('json'); 1 / 0"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    [line] = done.stderr.splitlines()
    assert json.loads(line)["message"] == "not caught: ZeroDivisionError"
    assert done.returncode == 1
