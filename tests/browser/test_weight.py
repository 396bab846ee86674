"""What a first visit costs, and what its first paint waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, Route

from tests.browser.proxy import Proxy
from tests.browser.watching import Watcher
from tests.conftest import StartStack
from tests.support.deadline import eventually
from tests.support.provider import Script, ScriptedProvider
from tests.support.shared import shared_stack
from tests.support.stack import Stack

pytestmark = pytest.mark.browser

BUDGET_BYTES = 100_000
"""On the wire: bodies as they were compressed, heads, and what the shared worker fetches; of a
conversation also what draws its answers, and the answers themselves."""

Visit = Callable[[Stack, str], tuple[Page, Proxy]]


SETTINGS = {"HUB_HEARTBEAT_SECONDS": "300"}


@pytest.fixture(scope="module")
def hub() -> Iterator[Stack]:
    """Nobody has ever asked it anything."""
    with shared_stack(SETTINGS, workers=0) as shared:
        yield shared.hub


@pytest.fixture
def visit(context: BrowserContext, proxied: Callable[[str], Proxy]) -> Visit:
    """Open a page in a browser that has never been here."""

    def visit(hub: Stack, path: str) -> tuple[Page, Proxy]:
        proxy = proxied(hub.url)
        page = context.new_page()
        page.goto(proxy.url + path)
        return page, proxy

    return visit


def check(proxy: Proxy, what: str) -> None:
    print(f"{what}: {proxy.delivered_bytes / 1000:.1f} kB")
    assert proxy.delivered_bytes < BUDGET_BYTES, what


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("/", "[data-threads-empty]:not([hidden])"),
        ("/notifications?channel=news", '[data-connection][data-state="open"]'),
        ("/status", "[data-processes] tr"),
        ("/nowhere", "h1"),
    ],
)
def test_a_first_visit_loads_less_than_its_budget(
    hub: Stack, visit: Visit, path: str, there: str
) -> None:
    page, proxy = visit(hub, path)
    page.locator(there).wait_for(state="attached")
    page.wait_for_load_state("load")
    page.evaluate("new Promise(requestIdleCallback)")
    check(proxy, path)


def test_a_first_answer_is_within_the_budget_too(
    stack: StartStack, visit: Visit, provider: ScriptedProvider
) -> None:
    hub = stack(SETTINGS)
    provider.scripts["short"] = Script("**One** line and `code`.")
    page, proxy = visit(hub, "/")
    page.get_by_label("Your question").fill("short")
    page.keyboard.press("Enter")
    watcher = Watcher(page).until_ended()
    check(proxy, "/ with an answer")
    thread = page.url.removeprefix(proxy.url)
    for path in (f"/g/{watcher.generation_id}", thread):
        page, proxy = visit(hub, path)
        Watcher(page).until_ended()
        check(proxy, path.partition("=")[0])


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/", "What would you like to know?"),
        ("/notifications", "Received"),
        ("/status", "Look into a channel"),
        ("/g/x", "Hubbub"),
    ],
)
def test_the_first_paint_waits_for_no_other_file(
    hub: Stack, context: BrowserContext, path: str, words: str
) -> None:
    page = context.new_page()
    held: list[Route] = []
    page.route("**/static/**", lambda route: held.append(route))  # none of them is ever answered
    page.goto(hub.url + path, wait_until="commit")
    page.locator("main").wait_for()
    eventually(
        lambda: page.evaluate("performance.getEntriesByName('first-contentful-paint').length > 0")
    )
    assert page.get_by_text(words).first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).margin") == "0px", "not styled"
    assert held
    for route in held:
        route.abort()
