"""A bug in what runs a generation ends that generation, at the first attempt and in words."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event

from tests.support.deadline import eventually
from tests.workers.conftest import Ask, claim_no_more
from workers.provider import Delta, Finish
from workers.run.worker import Worker
from workers.store import Generations

# Each waits for leases, heartbeats or the other half.
pytestmark = pytest.mark.slow


class Scripted:
    """An opener whose streams yield `parts`, and raise where one of them is an exception."""

    def __init__(self, parts: list[Any], close: Exception | None = None) -> None:
        self.parts = parts
        self.closing = close
        self.opened = 0

    def open(self, request: object, generation: object) -> Scripted:
        self.opened += 1
        if not self.parts:
            raise ZeroDivisionError("no stream")
        return self

    def continues(self, generation: object) -> bool:
        return False

    def __iter__(self) -> Iterator[Any]:
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            yield part

    def close(self) -> None:
        if self.closing is not None:
            raise self.closing


WHOLE: list[Any] = [Delta(0, "content", "x"), Finish(0, "stop")]


@pytest.mark.parametrize(
    "opener",
    [
        Scripted([]),
        Scripted([Delta(0, "content", "x"), ZeroDivisionError("in the middle")]),
        Scripted([*WHOLE, object()]),
        Scripted(WHOLE, close=ZeroDivisionError("closing")),
    ],
    ids=["opening", "reading", "counting", "closing"],
)
def test_a_bug_in_a_run_ends_its_generation_at_the_first_attempt_with_a_traceback_in_the_log(
    ask: Ask, generations: Generations, opener: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("workers").propagate = True
    generation = ask()
    worker = Worker(generations, opener)
    worker.start()

    def opened() -> int:
        gevent.sleep(0.01)
        return opener.opened

    def ended() -> bool:
        gevent.sleep(0.01)
        return not generations.get(generation.id).active

    try:
        eventually(opened)
        claim_no_more(worker)
        eventually(ended)
    finally:
        worker.stop(0, Event())
    found = generations.get(generation.id)
    assert (found.status, found.attempt, opener.opened) == ("failed", 1, 1)
    assert found.terminal is not None and found.terminal.data["code"] == "internal"
    assert "Traceback" in caplog.text
    assert generations.queue.counts().queued == generations.queue.counts().running == 0
