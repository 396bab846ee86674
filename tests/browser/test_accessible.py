"""axe-core finds nothing serious on any page, in any state, in light and in dark."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.watching import Watcher
from tests.conftest import StartStack
from tests.support import keys
from tests.support.provider import Gate, Script, ScriptedProvider
from tests.support.real import ROOT, missing
from tests.support.stack import Stack

pytestmark = pytest.mark.browser

AXE = ROOT / "tests" / "clients" / "node_modules" / "axe-core" / "axe.min.js"
ANSWER = (
    "# A title\n\nWords with `code` and a [link](https://example.org).\n\n```python\nx = 1\n```\n\n"
    "| a | b |\n| - | - |\n| 1 | 2 |\n\n> quoted\n\n- [x] done\n- [ ] not\n"
)


@pytest.fixture
def axe() -> str:
    if not AXE.exists():
        missing("axe-core (tests/clients/install)")
    return AXE.read_text()


@pytest.fixture
def hub(stack: StartStack) -> Stack:
    return stack({"HUB_HEARTBEAT_SECONDS": "1", "HUB_RETRY_MS": "100"})


@pytest.fixture(params=["light", "dark", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": 390 if request.param == "phone" else 1200, "height": 800},
        color_scheme="dark" if request.param == "dark" else "light",
        reduced_motion="reduce",
        bypass_csp=True,  # axe is put into the page by its text
    )
    context.add_cookies(keys.cookies())
    yield context.new_page()
    context.close()


def check(page: Page, axe: str, state: str) -> None:
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    serious = [
        (one["id"], [node["html"][:200] for node in one["nodes"]][:5])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == [], state


def test_a_conversation_in_all_its_states(
    hub: Stack, provider: ScriptedProvider, gate: Gate, page: Page, axe: str
) -> None:
    page.goto(hub.url)
    page.get_by_text("No conversation yet").wait_for(state="attached")
    check(page, axe, "empty")
    provider.scripts["one"] = Script(ANSWER, gate=gate)
    field = page.get_by_label("Your question")
    field.fill("one")
    page.keyboard.press("Enter")
    gate.release(10)
    watcher = Watcher(page)
    watcher.until_text("# A title")
    check(page, axe, "running")
    gate.open()
    watcher.until_ended()
    check(page, axe, "answered")
    page.get_by_text("Options", exact=True).click()
    check(page, axe, "options")
    page.keyboard.press("Escape")
    page.locator("[data-edit]").last.click()
    check(page, axe, "editing")
    provider.scripts["two"] = Script("cut", cut_after=1)
    field.fill("two")
    page.keyboard.press("Enter")
    page.locator('.generation[data-status="failed"]').wait_for()
    check(page, axe, "failed, of several versions")
    if page.get_by_role("button", name="Conversations").is_visible():
        page.get_by_role("button", name="Conversations").click()
    page.locator("summary", has_text="More about one").last.click()
    check(page, axe, "menu")
    page.get_by_role("button", name="Delete").last.click()
    check(page, axe, "asking before it deletes")


def test_the_other_pages(hub: Stack, page: Page, axe: str) -> None:
    generation_id = hub.generate("one")
    hub.finished(generation_id)
    page.goto(f"{hub.url}/g/{generation_id}")
    Watcher(page).until_ended()
    check(page, axe, "generation")
    page.goto(f"{hub.url}/g/nobody")
    page.get_by_text("This generation is not here").wait_for()
    check(page, axe, "missing generation")
    page.goto(f"{hub.url}/nothing")
    check(page, axe, "error page")
    hub.publish("news", {"title": "x"}, "notice")
    page.goto(f"{hub.url}/notifications?channel=news")
    page.locator("[data-events] li").wait_for()
    check(page, axe, "notifications")
    page.goto(f"{hub.url}/status")
    page.get_by_placeholder("a channel's name").fill("news")
    page.get_by_role("button", name="Look").click()
    page.locator("[data-events] li").wait_for()
    hub.publish("news", "and a toast")
    page.locator("[data-toasts] li").wait_for()
    check(page, axe, "status, with an inspector and a toast")


def test_all_pages_can_be_used_with_a_keyboard_alone(
    hub: Stack, provider: ScriptedProvider, page: Page
) -> None:
    page.goto(hub.url)
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    Watcher(page).until_ended()
    reached: list[str] = []
    page.locator(".skip").focus()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "(document.activeElement.getAttribute('aria-label')"
                " || document.activeElement.textContent || document.activeElement.name).trim()"
            )
        )
        visible = page.evaluate(
            "getComputedStyle(document.activeElement).outlineStyle !== 'none'"
            " || document.activeElement === document.body"
            " || document.activeElement.matches('#prompt, [type=file]')"
        )
        assert visible, f"the focus cannot be seen on {reached[-1]!r}"
    for wanted in ("Copy", "Ask again", "Edit", "Copy link", "Options", "Ask"):
        assert any(wanted in one for one in reached), wanted
