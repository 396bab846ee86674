"""Tabs of a real Chromium (`browser`, which all tests share).

Whatever a page says in its console as an error, and every exception that it does not catch, fails
the test: a page that works by accident does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.proxy import Proxy
from tests.conftest import StartStack
from tests.support import keys
from tests.support.provider import Gate
from tests.support.shared import Shared, shared_stack
from tests.support.shared import hub as hub
from tests.support.shared import provider as provider
from tests.support.stack import Stack

SETTINGS = {"HUB_HEARTBEAT_SECONDS": "1", "HUB_RETRY_MS": "100"}


@pytest.fixture(scope="session")
def shared() -> Iterator[Shared]:
    with shared_stack(SETTINGS) as shared:
        yield shared


@pytest.fixture
def new_hub(stack: StartStack) -> Stack:
    """One that has seen nothing, and that the test may harm."""
    return stack(SETTINGS)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One profile: its tabs share storage, SharedWorkers and the limit of connections."""
    context = browser.new_context()
    context.add_cookies(keys.cookies())
    problems: list[str] = []
    context.on("weberror", lambda error: problems.append(str(error.error)))
    context.on(
        "console",
        lambda message: (
            problems.append(message.text)
            if message.type == "error" and "Failed to load resource" not in message.text
            else None
        ),
    )
    yield context
    context.close()
    assert problems == []


@pytest.fixture
def other_context(browser: Browser) -> Iterator[BrowserContext]:
    """Somebody else's browser."""
    context = browser.new_context()
    context.add_cookies(keys.cookies())
    yield context
    context.close()


@pytest.fixture
def proxied() -> Iterator[Callable[[str], Proxy]]:
    """`proxied(url)`: the way to a server, which can be cut and mended."""
    proxies: list[Proxy] = []

    def start(url: str) -> Proxy:
        proxies.append(Proxy(url))
        return proxies[-1]

    yield start
    for proxy in proxies:
        proxy.close()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Nothing of a scripted answer passes before it lets it."""
    gate = Gate()
    yield gate
    gate.open()
