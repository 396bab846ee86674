"""The contract's tests run twice: on gunicorn with our worker, where a listener keeps its socket,
and on another server, where it writes through an ordinary response.

    hub        one with the default settings, shared by the tests
    short      the same with a history of three events and 2 KiB
    brief      the same with a second's history, a second's heartbeat, a second until stalled
    narrow     the same with room for four listeners, two from one address
    own_hub    starts one of this test's own, on a Redis of its own: `own_hub(redis_url, NAME=…)`
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.support.process import Process
from tests.support.stack import Web, clean_environ
from tests.support.valkey import Valkey

ORIGIN = "https://app.example"
RETRY_MS = 1234
WAYS = ("taken over", "portable")

OwnHub = Callable[..., Web]


class Hubs:
    """Starts each kind of hub when a test first asks for it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._running: dict[tuple[object, ...], Web] = {}
        self._valkey: Valkey | None = None

    @property
    def redis_url(self) -> str:
        if self._valkey is None:
            self._valkey = Valkey(self._directory / "valkey").start()
        return self._valkey.url

    def __call__(self, way: str, kind: str, **env: str) -> Web:
        key = (way, *sorted(env.items()))
        if key not in self._running:
            log = self._directory / f"{kind}-{way.replace(' ', '-')}-{len(self._running)}.log"
            self._running[key] = started(way, log, self.redis_url, **env)
        return self._running[key]

    def end(self) -> None:
        for web in self._running.values():
            web.end()
        if self._valkey is not None:
            self._valkey.end()


def started(way: str, log: Path, redis_url: str, **env: str) -> Web:
    settings = {
        "REDIS_URL": redis_url,
        "HUB_CORS_ORIGINS": ORIGIN,
        "HUB_RETRY_MS": str(RETRY_MS),
        "HUB_GRACE_SECONDS": "2",
        "PYTHONUNBUFFERED": "1",
    }
    web = Web(log, {**clean_environ(), **settings, **env}, f"hub, {way}")
    if way == "portable":
        web.command = [sys.executable, "-m", "tests.support.portable"]
    return web.start()


@pytest.fixture(scope="session")
def hubs() -> Iterator[Hubs]:
    directory = Path(tempfile.mkdtemp(prefix="hub-"))
    hubs = Hubs(directory)
    yield hubs
    hubs.end()
    shutil.rmtree(directory)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def hub(way: str, hubs: Hubs) -> Web:
    return hubs(way, "hub")


@pytest.fixture
def short(way: str, hubs: Hubs) -> Web:
    return hubs(way, "short", HUB_HISTORY_EVENTS="3", HUB_HISTORY_BYTES="2048")


@pytest.fixture
def brief(way: str, hubs: Hubs) -> Web:
    return hubs(
        way,
        "brief",
        HUB_HISTORY_SECONDS="1",
        HUB_HEARTBEAT_SECONDS="1",
        HUB_LISTENER_STALL_SECONDS="1",
    )


@pytest.fixture
def narrow(way: str, hubs: Hubs) -> Web:
    return hubs(way, "narrow", HUB_MAX_LISTENERS="4", HUB_MAX_LISTENERS_PER_ADDRESS="2")


@pytest.fixture
def own_hub(way: str, tmp_path: Path, processes: list[Process]) -> OwnHub:
    number = count()

    def start(redis_url: str, **env: str) -> Web:
        web = started(way, tmp_path / f"hub{next(number)}.log", redis_url, **env)
        processes.append(web)
        return web

    return start
