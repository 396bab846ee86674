"""Fixtures. Every server is a real process on a free port, and ends with its test.

    valkey          the session's Valkey, empty at each test
    start_valkey    further ones, of any kind
    link, history   each test runs on fakeredis and on the real Valkey
    real_link, real_history   on the real Valkey alone
    provider        an OpenAI-compatible server that follows a script
    local_model     the bundled model (tests marked `model`)
    channel         a name that no other test uses
    listen          an `EventStream` that is closed with the test: `listen(url, query={…})`
    browser         a real Chromium, one for the session
    stack           starts gunicorn and workers: `hub = stack()`, `stack(env={…}, workers=2)`

Where a test fails, the logs of the processes that it started are in its report.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any
from zlib import crc32

import fakeredis
import hypothesis
import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from hub.settings import Settings
from hub.store.history import History
from hub.store.redis_link import RedisLink
from tests.support import keys
from tests.support.process import Process
from tests.support.provider import ScriptedProvider
from tests.support.real import CHROMIUM_FLAGS, ROOT, chromium
from tests.support.stack import LocalModel, Stack
from tests.support.stream import EventStream
from tests.support.valkey import Valkey

TESTS = Path(__file__).parent

# `pytest --hypothesis-profile larger tests/unit/test_follow.py`
# A machine that is busy with other tests takes its time: that is no failure.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")
hypothesis.settings.register_profile("larger", max_examples=20_000)

StartValkey = Callable[..., Valkey]
StartStack = Callable[..., Stack]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None] | pytest.TestReport:
    report: pytest.TestReport = yield  # type: ignore[misc, assignment]
    if report.failed and call.when == "call":
        for process in item.stash.get(_PROCESSES, []):
            report.sections.append((f"log of {process.name}", process.log()[-20_000:]))
    return report


# Under nohup, or behind a script's `&`, Ctrl-C is ignored, also by all that is started.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


if keys.ON:
    keys.show_with_every_request()


APART = {
    TESTS / "compose": "--compose",
    TESTS / "compose" / "test_machines.py": "--machines",
    TESTS / "clients" / "test_compiled.py": "--compiled",
    TESTS / "producers" / "test_compiled_example.py": "--compiled",
    TESTS / "operations" / "test_collector.py": "--collector",
    TESTS / "browser" / "test_fronts.py": "--fronts",
}
"""What runs only where it is asked for: it needs a container engine, a compiler, or minutes."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--compose",
        action="store_true",
        help="run the tests of tests/compose, which need a container engine, or root to start one",
    )
    parser.addoption(
        "--machines",
        action="store_true",
        help="with --compose: also bare machines behind a proxy",
    )
    parser.addoption(
        "--fronts",
        action="store_true",
        help="75 s of silence through each proxy of docs/proxies.md",
    )
    parser.addoption(
        "--collector",
        action="store_true",
        help="run the test of OpenTelemetry's collector, which `make test-collector` has built",
    )
    parser.addoption(
        "--compiled",
        action="store_true",
        help="run the clients in Go, Rust and Java, which `make test-clients` has built",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What starts the whole stack, or breaks it, takes seconds: `make test-fast` is without it, and
    without the second of the two ways to a client, on which the same tests run. Containers have a
    command of their own (`make test-compose`)."""
    for place, option in APART.items():
        if not config.getoption(option):
            apart = {path for path in {item.path for item in items} if path.is_relative_to(place)}
            config.hook.pytest_deselected(items=[item for item in items if item.path in apart])
            items[:] = [item for item in items if item.path not in apart]
    keys.deselect(config, items)
    for item in items:
        callspec = getattr(item, "callspec", None)
        if (
            "stack" in getattr(item, "fixturenames", ())
            or {"faults", "clients"} & set(item.path.relative_to(TESTS).parts)
            or (callspec is not None and callspec.params.get("way") == "portable")
        ):
            item.add_marker(pytest.mark.slow)
    # The files that take longest come first (`--no-loadscope-reorder`): one that began as the last
    # would be waited for by all the processes that have nothing left to do. They are shuffled, so
    # that those that wait run beside those that work: four browsers at once hold up each other.
    slow = {item.path for item in items if any(map(item.get_closest_marker, _SLOW))}
    items.sort(key=lambda item: (item.path not in slow, crc32(item.path.name.encode())))


_SLOW = ("slow", "browser", "cluster", "model")
_PROCESSES: pytest.StashKey[list[Process]] = pytest.StashKey()


@pytest.fixture
def processes(request: pytest.FixtureRequest) -> Iterator[list[Process]]:
    """What is put in here is ended with the test, the last one first, its log shown on failure."""
    started: list[Process] = []
    request.node.stash[_PROCESSES] = started
    yield started
    for process in reversed(started):
        process.end()


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory with a path short enough for a Unix socket, which pytest's own is not."""
    with tempfile.TemporaryDirectory(prefix="hub-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def session_valkey() -> Iterator[Valkey]:
    directory = Path(tempfile.mkdtemp(prefix="hub-"))
    server = Valkey(directory)
    try:
        yield server.start()
    finally:
        server.end()
        shutil.rmtree(directory)


@pytest.fixture
def valkey(session_valkey: Valkey) -> Valkey:
    """The session's Valkey, empty. A test that would harm it starts its own (`start_valkey`)."""
    with session_valkey.client() as client:
        client.flushall()
    return session_valkey


@pytest.fixture
def start_valkey(processes: list[Process], short_path: Path) -> StartValkey:
    """`start_valkey(tcp=False, options=(), name="")`: another server of this test's own."""
    number = count()

    def start(*, tcp: bool = False, options: Sequence[str] = (), name: str = "") -> Valkey:
        place = short_path / str(next(number))
        server = Valkey(place, tcp=tcp, options=options, name=name)
        processes.append(server)
        return server.start()

    return start


@pytest.fixture
def settings() -> Settings:
    """The defaults. A test that needs others overrides this fixture, or uses
    `dataclasses.replace`."""
    return Settings()


@pytest.fixture(params=["fakeredis", "valkey"])
def link(request: pytest.FixtureRequest) -> Iterator[RedisLink]:
    if request.param == "valkey":
        server: Valkey = request.getfixturevalue("valkey")
        link = RedisLink.from_url(server.url)
    else:
        link = RedisLink(fakeredis.FakeRedis())
    yield link
    link.close()


@pytest.fixture
def real_link(valkey: Valkey) -> Iterator[RedisLink]:
    link = RedisLink.from_url(valkey.url)
    yield link
    link.close()


@pytest.fixture
def history(link: RedisLink, settings: Settings) -> History:
    return History(link, settings)


@pytest.fixture
def real_history(real_link: RedisLink, settings: Settings) -> History:
    return History(real_link, settings)


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    server = ScriptedProvider()
    yield server
    server.close()


@pytest.fixture(scope="session")
def local_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalModel]:
    model = LocalModel(tmp_path_factory.mktemp("model") / "log")
    try:
        yield model.start()
    finally:
        model.end()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One for the session: playwright bears no second one in its thread."""
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*CHROMIUM_FLAGS])
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Exceptions that a page does not catch fail the test."""
    context = browser.new_context()
    context.add_cookies(keys.cookies())
    problems: list[str] = []
    context.on("weberror", lambda error: problems.append(str(error.error)))
    yield context
    context.close()
    assert problems == []


_channels = count()


@pytest.fixture
def channel() -> str:
    return f"channel-{next(_channels)}"


@pytest.fixture
def listen() -> Iterator[Callable[..., EventStream]]:
    streams: list[EventStream] = []

    def start(url: str, **options: Any) -> EventStream:
        stream = EventStream(url, **options)
        streams.append(stream)
        return stream

    yield start
    for stream in streams:
        stream.close()


@pytest.fixture
def stack(
    request: pytest.FixtureRequest, processes: list[Process], tmp_path: Path
) -> Iterator[StartStack]:
    """`stack(env=None, webs=1, workers=1, redis_url=…, provider=…, tree=ROOT)`.

    Without `redis_url` it runs on the session's Valkey. `provider` is a base URL; without one it is
    this test's `provider` fixture, if workers run.
    """
    number = count()
    stacks: list[Stack] = []

    def start(
        env: Mapping[str, str] | None = None,
        *,
        webs: int = 1,
        workers: int = 1,
        redis_url: str = "",
        provider: str = "",
        tree: Path = ROOT,
    ) -> Stack:
        directory = tmp_path / f"stack{next(number)}"
        directory.mkdir()
        settings = {
            "REDIS_URL": redis_url or request.getfixturevalue("valkey").url,
            "OPENAI_API_KEY": "a-key-of-the-tests",
        }
        if provider or workers:
            settings["OPENAI_BASE_URL"] = provider or request.getfixturevalue("provider").base_url
        hub = Stack(directory, {**settings, **(env or {})}, webs=webs, workers=workers, tree=tree)
        stacks.append(hub)
        try:
            return hub.start()
        finally:
            processes.extend((*hub.webs, *hub.workers))

    yield start
    for hub in stacks:
        hub.end()
