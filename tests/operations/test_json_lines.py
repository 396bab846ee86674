"""With `HUB_LOG_FORMAT=json` every line is a JSON object, whoever wrote it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import StartStack, StartValkey
from tests.support.deadline import eventually, patience
from tests.support.process import Process
from tests.support.real import ROOT
from tests.support.stack import Worker, clean_environ, descendants

JSON = {"HUB_LOG_FORMAT": "json"}

TROUBLES = """
import logging, sys, threading, traceback, warnings
import gevent

class Gone:
    def __del__(self):
        raise LookupError("as it goes")

def in_its_thread():
    gevent.get_hub().handle_error("here", KeyError, KeyError("k"), None)

def make_trouble():
    warnings.warn("a warning of Python's")
    logging.getLogger("somebody.else").error("a line of another library's")
    logging.getLogger("somebody.else").error("%d", "no number")
    gevent.spawn(lambda: 1 / 0)
    Gone()
    thread = threading.Thread(target=lambda: [][0])
    thread.start()
    thread.join()
    gevent.get_hub().threadpool.spawn(in_its_thread).get()
    print("printed", "by somebody")
    print('{"already": "JSON"}')
    print("no line end yet, ", end="", flush=True)
    print("now there is")
    sys.stderr.write("one\\ntwo\\n")
    try:
        {}["missing"]
    except KeyError:
        traceback.print_exc()
"""

TROUBLE = """
import app as hubbub
import troubles

app = hubbub.app
troubles.make_trouble()
"""

GENERATOR = """
import gevent
import troubles

def answer(request):
    troubles.make_trouble()
    gevent.sleep(0)
    yield "done"
"""


def loggers(process: Process) -> set[str]:
    """Who wrote the lines; each of which must be JSON."""
    return {json.loads(line).get("logger", "") for line in process.log().splitlines()}


def said(process: Process) -> set[str]:
    return {json.loads(line).get("message", line) for line in process.log().splitlines()}


WRITERS = {"py.warnings", "somebody.else", "hub.greenlet", "stdout", "stderr"}
SAID = {
    "a greenlet ended by ZeroDivisionError",
    "a greenlet ended by KeyError",
    "a thread ended by IndexError",
    "printed by somebody",
    '{"already": "JSON"}',
    "no line end yet, now there is",
    "one",
    "two",
    "--- Logging error ---",
    "KeyError: 'missing'",
}


@pytest.mark.slow
def test_what_others_say_print_and_do_not_catch_is_json_in_web_and_worker(
    stack: StartStack, tmp_path: Path
) -> None:
    (tmp_path / "troubles.py").write_text(TROUBLES)
    (tmp_path / "trouble.py").write_text(TROUBLE)
    (tmp_path / "troubled.py").write_text(GENERATOR)
    settings = {**JSON, "PYTHONPATH": str(tmp_path), "HUB_GENERATORS": "own=troubled:answer"}
    hub = stack(settings, webs=0)
    web = hub.add_web("trouble:app")
    hub.until_ready()
    assert web.finished(web.generate("hello", model="own"))["status"] == "completed"
    for process in (web, hub.worker):
        eventually(lambda process=process: loggers(process) >= WRITERS)  # type: ignore[misc]
        eventually(lambda process=process: not SAID - said(process))  # type: ignore[misc]
        assert any("Gone.__del__" in line for line in said(process))


@pytest.mark.slow
def test_what_is_said_of_redis_gone_a_killed_process_and_the_end_is_json(
    stack: StartStack, start_valkey: StartValkey
) -> None:
    server = start_valkey(tcp=True)
    hub = stack(JSON, redis_url=server.url)
    hub.until_ready()
    before = descendants(hub.web.pid)
    os.kill(min(before), signal.SIGKILL)
    eventually(lambda: set(descendants(hub.web.pid)) - set(before), 20)
    hub.until_ready()
    server.kill()
    eventually(lambda: hub.get("/readyz").status_code == 503, 20)
    hub.get("/channels/%00/events")
    hub.worker.signal(signal.SIGINT)
    hub.web.terminate()
    hub.worker.wait(30)
    for process in (hub.web, hub.worker):
        assert loggers(process) & {"gunicorn.error", "workers"}


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
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=30 * patience()
    )
    [line] = done.stderr.splitlines()
    assert json.loads(line)["message"] == "not caught: ZeroDivisionError"
    assert done.returncode == 1
