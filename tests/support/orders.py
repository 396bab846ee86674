"""What a test orders a process to do to its loops: kill one, or make one stand still.

    python -m tests.support.killable_worker    the worker that obeys
    tests.support.killable_web:app             the application for gunicorn that does

The orders go through a list in the process's Redis: real parts, with one greenlet beside them.
"""

from __future__ import annotations

import os
from typing import Any

import gevent
import redis

from hub.fanout.loops import Loops
from hub.store.pipe import Pipe


class Orders:
    """The test's end of it. `who` is what the process was started as (`KILLABLE`)."""

    def __init__(self, client: redis.Redis, who: str) -> None:
        self._client = client
        self._who = who

    def give(self, order: str, loop: str) -> int:
        """Give the order, and wait until it is carried out. How many loops it was for."""
        return int(self._answer(f"{order} {loop}"))

    def loops(self) -> set[str]:
        """The names of the loops that run there."""
        return set(self._answer("name ").split())

    def _answer(self, order: str) -> str:
        self._client.rpush(f"orders:{self._who}", order)
        done: Any = self._client.blpop([f"done:{self._who}"], timeout=10)
        assert done is not None, "the order was not carried out"
        return str(done[1].decode())


def obey(loops: Loops) -> None:
    """Carry out what the test orders."""
    who = os.environ["KILLABLE"]
    client = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=None)
    while True:
        taken: Any = client.blpop([f"orders:{who}"])
        order, _, name = taken[1].decode().partition(" ")
        found = [loop for loop in loops.loops() if loop.name == name]
        if order == "kill":
            gevent.killall([loop.greenlet for loop in found])
        elif order == "freeze":
            Pipe.run = lambda self, packed: gevent.sleep(1e6)  # type: ignore[method-assign]
        names = " ".join(loop.name for loop in loops.loops()) if order == "name" else ""
        client.rpush(f"done:{who}", names or len(found))
