"""One hub for all clients, with a heartbeat each second; each client's way to it can be cut."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.proxy import Proxy
from tests.clients.pages_server import PagesServer
from tests.clients.table import Table
from tests.support.real import ROOT
from tests.support.shared import Shared, shared_stack

HERE = Path(__file__).parent


@pytest.fixture(scope="package")
def pages() -> Iterator[PagesServer]:
    """Another origin than the hub's: the pages are served from here."""
    server = PagesServer({"/node_modules": HERE / "node_modules", "/": HERE / "pages"})
    yield server
    server.close()


@pytest.fixture(scope="package")
def whole_package(pages: PagesServer) -> Iterator[Shared]:
    settings = {
        "HUB_HEARTBEAT_SECONDS": "1",
        "HUB_RETRY_MS": "100",
        "HUB_CORS_ORIGINS": pages.origin,
    }
    with shared_stack(settings) as shared:
        yield shared


@pytest.fixture
def shared(whole_package: Shared) -> Shared:
    whole_package.reset()
    return whole_package


@pytest.fixture
def proxy(shared: Shared) -> Iterator[Proxy]:
    way = Proxy(shared.hub.url)
    yield way
    way.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture(scope="package")
def table() -> Table:
    """What the tests have found; the last one of them holds docs/clients.md to it."""
    return Table(ROOT / "docs" / "clients.md")
