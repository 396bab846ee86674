"""The examples for Celery and RQ, and jobs that publish through the Flask extension, with the real
packages: what their forked children publish is stored, each once, and nobody shares a name or a
connection."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from celery import Celery
from rq import Queue

from hub import Hub
from hub.channel import BEFORE_FIRST
from hub.settings import Settings
from hub.store.frame import StoredEvent
from tests.support.deadline import eventually
from tests.support.process import Process
from tests.support.stack import clean_environ
from tests.support.valkey import Valkey

pytestmark = pytest.mark.slow

REPORTS, STEPS = 12, 5
EXTENSION = "tests.code.extension_tasks"
StartValkey = Callable[..., Valkey]


@pytest.fixture
def server(start_valkey: StartValkey) -> Valkey:
    return start_valkey(tcp=True)


@pytest.fixture
def hub(server: Valkey) -> Iterator[Hub]:
    with Hub.from_url(server.url, Settings()) as hub:
        yield hub


def stored(hub: Hub, channel: str) -> list[dict[str, int]]:
    frames = hub.history.read(channel, BEFORE_FIRST).frames
    return [json.loads(StoredEvent.of(frame).data) for frame in frames]


def all_is_stored_once(hub: Hub, count: int = REPORTS) -> set[int]:
    """Wait for the first `count` reports; the processes that wrote them."""
    eventually(lambda: len(stored(hub, "reports")) == count, 90)
    processes = set()
    for number in range(count):
        steps = stored(hub, f"report:{number}")
        assert [step["step"] for step in steps] == list(range(1, STEPS + 1))
        processes |= {step["by"] for step in steps}
    assert sorted(report["ready"] for report in stored(hub, "reports")) == list(range(count))
    return processes


@pytest.mark.parametrize("tasks", ["examples.celery_tasks", EXTENSION])
def test_children_of_celery_s_pool_publish_for_themselves(
    server: Valkey, hub: Hub, tmp_path: Path, processes: list[Process], tasks: str
) -> None:
    command = [sys.executable, "-m", "celery", "-A", tasks, "worker"]
    command += ["--pool", "prefork", "--concurrency", "3", "--without-gossip", "--without-mingle"]
    env = {**clean_environ(), "REDIS_URL": server.url, "C_FORCE_ROOT": "1"}
    worker = Process("celery", command, tmp_path / "log", env=env)
    processes.append(worker)
    worker.start()

    sent, seen = 0, set[int]()
    with Celery("tests", broker=server.url) as app:
        while len(seen) < 2:  # one child may do a whole round before the others have started
            for number in range(sent, sent + REPORTS):
                app.send_task(f"{tasks}.report", (number, STEPS))
            sent += REPORTS
            assert sent <= 10 * REPORTS, f"one child alone works: {seen}"
            seen |= all_is_stored_once(hub, sent)


@pytest.mark.parametrize("tasks", ["examples.rq_tasks", EXTENSION])
def test_children_of_rq_publish_for_themselves(
    server: Valkey, hub: Hub, tmp_path: Path, processes: list[Process], tasks: str
) -> None:
    with redis.Redis.from_url(server.url) as client:
        queue = Queue(connection=client)
        for number in range(REPORTS):
            queue.enqueue(f"{tasks}.report", number, STEPS)
    program = _IMPORTED_BEFORE_THE_FORK.format(tasks=tasks)
    command = [sys.executable, "-c", program, "worker", "--url", server.url]
    worker = Process(
        "rq", command, tmp_path / "log", env={**clean_environ(), "REDIS_URL": server.url}
    )
    processes.append(worker)
    worker.start()

    assert len(all_is_stored_once(hub)) == REPORTS


_IMPORTED_BEFORE_THE_FORK = """
import sys
import {tasks} as tasks
if hasattr(tasks, "hub"):
    tasks.hub.publish("warm", "its connection is the parent's")
from rq.cli import main
sys.exit(main())
"""
