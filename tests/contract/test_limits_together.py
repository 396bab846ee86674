"""Limits that are counted in Redis, at their edge: over two processes of one hub, and two hubs.

Each request goes to a process that the test chooses, and no process reaches a limit alone.
"""

from __future__ import annotations

import json
import math
import os
import re
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.access.signing import SECRET
from tests.contract.conftest import Hubs
from tests.contract.test_limits import WAY, shown
from tests.support.deadline import eventually
from tests.support.stack import Web, descendants

pytestmark = pytest.mark.sets_keys

A_MINUTE, AT_ONCE, A_SECOND = 8, 3, 5
SETTINGS = {
    "HUB_JWT_SECRET": SECRET,
    "HUB_GENERATIONS_PER_MINUTE": f"{A_MINUTE}",
    "HUB_RUNNING_GENERATIONS": f"{AT_ONCE}",
    "HUB_PUBLISHES_PER_SECOND": f"{A_SECOND}",
}


class Answer(NamedTuple):
    status: int
    told: dict[str, Any]
    retry_after: str | None


class OneProcess:
    """A process of a hub, which has `others` beside it. It alone gets what is sent here."""

    def __init__(self, web: Web, pid: int, others: Sequence[int] = ()) -> None:
        self._address = urlsplit(web.url).netloc
        self._pid = pid
        with _held_up(others):  # so that they accept nothing
            self._connection = eventually(self._connect, 20)

    def send(self, sub: str, method: str, path: str, body: object = None) -> Answer:
        headers = {"Content-Type": "application/json", **shown(sub)}
        assert self._connection is not None
        self._connection.request(method, path, body=json.dumps(body), headers=headers)
        answer = self._connection.getresponse()
        said = answer.read()
        assert answer.headers["Connection"] != "close", "the next request would go to any process"
        return Answer(answer.status, json.loads(said or b"{}"), answer.headers["Retry-After"])

    def ask(self, sub: str) -> Answer:
        return self.send(sub, "POST", "/generations", {"prompt": "?"})

    def close(self) -> None:
        assert self._connection is not None
        self._connection.close()

    def _connect(self) -> HTTPConnection | None:
        connection = HTTPConnection(self._address, timeout=30)
        connection.connect()
        with suppress(AssertionError):
            eventually(lambda: self._accepted(connection), 1)
            return connection
        connection.close()
        return None

    def _accepted(self, connection: HTTPConnection) -> bool:
        ours, theirs = (
            end()[1] for end in (connection.sock.getsockname, connection.sock.getpeername)
        )
        table = re.sub(" +", " ", Path("/proc/net/tcp").read_text())
        inode = re.search(rf":{theirs:04X} 0100007F:{ours:04X} (?:\S+ ){{6}}(\d+)", table)
        return inode is not None and f"socket:[{inode[1]}]" in _open_in(self._pid)


def _open_in(pid: int) -> Iterator[str]:
    for name in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            yield os.readlink(f"/proc/{pid}/fd/{name}")


@contextmanager
def _held_up(pids: Sequence[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def serving(web: Web, count: int) -> list[int]:
    def found() -> list[int] | None:
        pids = [pid for pid, line in descendants(web.pid).items() if "gunicorn" in line]
        return pids if len(pids) == count else None

    pids = eventually(found)
    assert pids is not None
    return pids


@pytest.fixture(params=["two processes of one hub", "two hubs on one Redis"])
def two(request: pytest.FixtureRequest, hubs: Hubs) -> Iterator[Sequence[OneProcess]]:
    if request.param == "two hubs on one Redis":
        webs = [hubs(WAY, f"limits {n}", **SETTINGS, HUB_RETRY_MS=f"{n}000") for n in (1, 2)]
        both = [OneProcess(web, serving(web, 1)[0]) for web in webs]
    else:
        web = hubs(WAY, "limits", **SETTINGS, WEB_CONCURRENCY="2")
        one, other = serving(web, 2)
        both = [OneProcess(web, one, [other]), OneProcess(web, other, [one])]
    yield both
    for process in both:
        process.close()


def test_the_limit_of_a_minute_is_one_for_all_processes_and_hubs(
    two: Sequence[OneProcess], channel: str
) -> None:
    for number in range(A_MINUTE):
        made = two[number % 2].ask(channel)
        assert made.status == 202, number
        deleted = two[number % 2].send(channel, "DELETE", f"/generations/{made.told['id']}")
        assert deleted.status == 204
    for process in two:
        refused = process.ask(channel)
        assert (refused.status, refused.told["code"]) == (429, "rate-limited")
        assert 1 <= int(refused.retry_after or 0) <= 60
        assert process.ask(f"{channel}-other").status == 202


def test_what_runs_at_once_is_one_number_for_all_processes_and_hubs(
    two: Sequence[OneProcess], channel: str
) -> None:
    one, other = two
    made = [process.ask(channel) for process in (one, other, one)]
    assert [answer.status for answer in made] == [202] * AT_ONCE
    for process in two:
        refused = process.ask(channel)
        assert (refused.status, refused.told["code"]) == (429, "too-many-running")
    cancelled = other.send(channel, "POST", f"/generations/{made[0].told['id']}/cancel")
    assert cancelled.status == 200
    assert [process.ask(channel).status for process in (other, one)] == [202, 429]


def test_processes_that_are_asked_at_once_let_no_more_run_than_one_would(
    two: Sequence[OneProcess], channel: str
) -> None:
    def ask(process: OneProcess) -> list[int]:
        return [process.ask(channel).status for _ in range(4)]

    with ThreadPoolExecutor(2) as at_once:
        statuses = [status for each in at_once.map(ask, two) for status in each]
    assert sorted(statuses) == [202] * AT_ONCE + [429] * (8 - AT_ONCE)


def test_events_a_second_are_counted_over_all_processes_and_hubs(
    two: Sequence[OneProcess], channel: str
) -> None:
    def publish(process: OneProcess) -> list[int]:
        path, event = f"/channels/{channel}/events", {"data": 1}
        return [process.send(channel, "POST", path, event).status for _ in range(20)]

    began = time.monotonic()
    with ThreadPoolExecutor(2) as at_once:
        statuses = [status for each in at_once.map(publish, two) for status in each]
    seconds = time.monotonic() - began
    # Within a second it is the limit itself. A slower machine has more seconds, and one in which a
    # request waits for Redis may belong to either side.
    most = A_SECOND * (1 if seconds < 1 else math.floor(seconds) + 2)
    assert A_SECOND <= statuses.count(201) <= most, f"{statuses} in {seconds:.2f} s"
    assert set(statuses) <= {201, 429}
