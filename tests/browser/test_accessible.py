"""axe-core finds nothing serious on any page, in any state, in light and in dark."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.access.signing import SECRET, token
from tests.browser.watching import Watcher
from tests.conftest import StartStack
from tests.support import keys
from tests.support.provider import Gate, Script, ScriptedProvider
from tests.support.real import ROOT, missing
from tests.support.stack import Stack

pytestmark = pytest.mark.browser

PATIENCE_MS = 15_000

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
    new_hub: Stack, provider: ScriptedProvider, gate: Gate, page: Page, axe: str
) -> None:
    page.goto(new_hub.url)
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
    menu = page.locator("summary", has_text="More about one").last
    menu.click()
    check(page, axe, "menu")
    page.get_by_role("button", name="Rename").last.click()
    page.get_by_role("dialog").get_by_label("Name").wait_for()
    check(page, axe, "asking for a name")
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    menu.click()
    page.get_by_role("button", name="Delete").last.click()
    check(page, axe, "asking before it deletes")


def test_the_other_pages(hub: Stack, page: Page, axe: str, channel: str) -> None:
    generation_id = hub.generate("one")
    hub.finished(generation_id)
    page.goto(f"{hub.url}/g/{generation_id}")
    Watcher(page).until_ended()
    check(page, axe, "generation")
    page.goto(f"{hub.url}/g/nobody")
    page.get_by_role("heading", name="This generation is not here").wait_for()
    check(page, axe, "missing generation")
    page.goto(f"{hub.url}/nothing")
    check(page, axe, "error page")
    hub.publish(channel, {"title": "x"}, "notice")
    page.goto(f"{hub.url}/notifications?channel={channel}")
    page.locator("[data-events] li").wait_for()
    check(page, axe, "notifications")
    page.goto(f"{hub.url}/status")
    page.get_by_placeholder("a channel's name").fill(channel)
    page.get_by_role("button", name="Look").click()
    page.locator("[data-events] li").wait_for()
    hub.publish(channel, "and a toast")
    page.locator("[data-toasts] li").wait_for()
    check(page, axe, "status, with an inspector and a toast")


def test_what_is_beside_and_instead_of_an_answer(
    hub: Stack, provider: ScriptedProvider, gate: Gate, page: Page, axe: str
) -> None:
    def chunk(**delta: object) -> dict[str, object]:
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        return {"object": "chat.completion.chunk", "choices": [choice]}

    called = {"index": 0, "id": "c1", "function": {"name": "look", "arguments": "{}"}}
    pieces = [
        chunk(reasoning_content="I think."), chunk(content="Words."), chunk(tool_calls=[called])
    ]  # fmt: skip
    thinking = Gate()
    provider.scripts["think"] = Script(chunks=[*pieces, "[DONE]"], gate=thinking)
    page.goto(hub.url)
    field = page.get_by_label("Your question")
    field.fill("think")
    page.keyboard.press("Enter")
    thinking.release()
    page.locator("[data-reasoning-title]").click()
    page.locator("[data-reasoning]").wait_for()
    check(page, axe, "reasoning open, and going on")
    thinking.open()
    Watcher(page).until_ended()
    check(page, axe, "reasoning open, a tool called")
    provider.scripts["stop"] = Script(ANSWER, gate=gate)
    field.fill("stop")
    page.keyboard.press("Enter")
    gate.release(5)
    page.locator('.generation[data-status="running"]').wait_for()
    page.locator("[data-stop-thread]").click()
    page.locator('.generation[data-status="cancelled"]').wait_for()
    gate.open()
    check(page, axe, "cancelled")
    if page.get_by_role("button", name="Conversations").is_visible():
        page.get_by_role("button", name="Conversations").click()
    page.locator("[data-search]").fill("nothing is called so")
    page.locator("[data-threads-empty]:not([hidden])").wait_for()
    check(page, axe, "a search without a result")
    if page.get_by_role("button", name="Close the list").is_visible():
        page.mouse.click(380, 400)  # on the shade beside the list
        page.get_by_role("button", name="Close the list").wait_for(state="hidden")


def test_a_question_that_waits_and_a_hub_that_is_gone(
    stack: StartStack, page: Page, axe: str
) -> None:
    hub = stack(workers=0)
    page.goto(hub.url)
    page.get_by_label("Your question").fill("is anybody there?")
    page.keyboard.press("Enter")
    page.locator('.generation[data-status="queued"] [data-standing]').wait_for()
    check(page, axe, "queued")
    hub.web.kill()
    page.locator('[data-connection][data-state="waiting"]').first.wait_for()
    check(page, axe, "the connection is waited for")
    page.get_by_label("Your question").fill("and now?")
    page.keyboard.press("Enter")
    page.get_by_role("alert").filter(visible=True).first.wait_for()
    check(page, axe, "a question that could not be sent")


@pytest.mark.sets_keys
def test_where_a_token_is_asked_for_and_where_it_does_not_suffice(
    stack: StartStack, page: Page, axe: str
) -> None:
    hub = stack({"HUB_JWT_SECRET": SECRET}, workers=0)
    page.goto(f"{hub.url}/status")
    field = page.get_by_role("textbox", name="Token", exact=True)
    field.wait_for()
    check(page, axe, "sign-in")
    field.fill("nonsense")
    page.keyboard.press("Enter")
    page.get_by_role("alert").filter(has_text="not valid").wait_for()
    check(page, axe, "a token that is not valid")
    field.fill(token(sub="ann", hub={"subscribe": ["news"]}))
    page.keyboard.press("Enter")
    page.get_by_text("Only an administrator's token").wait_for()
    check(page, axe, "no right to see the state")
    page.goto(f"{hub.url}/notifications?channel=news,secrets")
    page.locator("[data-note]").get_by_text("secrets:").wait_for()
    page.get_by_role("button", name="Sign out").wait_for()
    check(page, axe, "notifications with a token, one channel refused")


REACHED = (
    "(document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
    " || document.activeElement.labels?.[0]?.textContent || document.activeElement.name || '')"
    ".trim()"
)
SEEN = (
    "getComputedStyle(document.activeElement).outlineStyle !== 'none'"
    " || document.activeElement === document.body"
    " || document.activeElement.matches('#prompt, [type=file]')"
)


MOST_STOPS = 1000
"""Of Tab on one page. The list of conversations holds those of all tests that share the hub."""


def tabbed(page: Page) -> list[str]:
    """Everything that Tab reaches, from the page's beginning; the focus is seen on each."""
    reached: list[str] = []
    page.locator(".skip").focus()
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(REACHED))
        assert page.evaluate(SEEN), f"the focus cannot be seen on {reached[-1]!r}"
        if page.evaluate("document.activeElement === document.body"):
            break
    return reached


def to(page: Page, selector: str) -> None:
    """Press Tab until the focus is on it."""
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        if page.evaluate(f"document.activeElement.matches({selector!r})"):
            return
    raise AssertionError(f"Tab does not reach {selector}")


def holds(reached: list[str], *wanted: str) -> None:
    for one in wanted:
        assert any(one in name for name in reached), (one, reached)


def test_a_conversation_is_held_with_a_keyboard_alone(
    hub: Stack, provider: ScriptedProvider, page: Page
) -> None:
    page.goto(hub.url)
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    watcher = Watcher(page).until_ended()
    holds(tabbed(page), "Copy", "Ask again", "Edit", "Copy link", "Options", "Ask")
    page.goto(f"{hub.url}/g/{watcher.generation_id}")
    Watcher(page).until_ended()
    holds(tabbed(page), "Ask", "Notifications", "Copy", "Plain text", "Copy link")
    page.locator(".skip").focus()
    to(page, "[data-plain]")
    page.keyboard.press("Space")
    assert page.get_attribute("[data-plain]", "aria-pressed") == "true"


def test_the_list_of_conversations_keeps_the_keyboard_where_it_is(hub: Stack, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 780})
    page.goto(hub.url)
    page.keyboard.type("by keyboard, too")
    page.keyboard.press("Enter")
    Watcher(page).until_ended()
    opener = page.get_by_role("button", name="Conversations", exact=True)
    opener.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="New conversation")).to_be_focused(timeout=PATIENCE_MS)
    row = page.locator("[data-thread-list] li", has=page.locator("[aria-current]"))
    row.locator("summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(opener).to_be_focused(timeout=PATIENCE_MS)
    page.keyboard.press("Enter")
    row.locator("summary").focus()
    for key in ("Enter", "Tab", "Enter"):
        page.keyboard.press(key)
    page.get_by_role("textbox", name="Name").fill("Renamed")
    page.keyboard.press("Enter")
    expect(row.locator("[data-name]")).to_have_text("Renamed", timeout=PATIENCE_MS)
    expect(row.locator("[data-link]")).to_be_focused(timeout=PATIENCE_MS)


def test_notifications_and_status_are_used_with_a_keyboard_alone(
    hub: Stack, page: Page, channel: str
) -> None:
    page.goto(f"{hub.url}/notifications")
    page.locator(".skip").focus()
    to(page, "[data-listen] [name=channel]")
    page.keyboard.type(channel)
    page.keyboard.press("Enter")
    page.locator("[data-channels]").get_by_text(channel).wait_for()
    page.locator('[data-connection][data-state="open"]').wait_for()
    to(page, "[data-push] [name=channel]")
    page.keyboard.press("Control+A")
    page.keyboard.type(channel)
    to(page, "[data-push] [name=data]")
    page.keyboard.type("pushed by keyboard")
    to(page, "[data-push] [type=submit]")
    page.keyboard.press("Enter")
    page.locator("[data-events]").get_by_text("pushed by keyboard").wait_for()
    holds(tabbed(page), "Channel to follow", "Follow", "Push", "Clear", "Events, the newest first")
    page.goto(f"{hub.url}/status")
    page.locator("[data-processes] tr").wait_for()
    page.locator(".skip").focus()
    to(page, "[data-look] [name=channel]")
    page.keyboard.type(channel)
    page.keyboard.press("Enter")
    page.locator("[data-events]").get_by_text("pushed by keyboard").wait_for()
    to(page, "[data-cut]")
    page.keyboard.press("Enter")
    page.get_by_text("Back, and nothing is missing").wait_for()
    holds(tabbed(page), "Look", "Cut this connection", "Leave", "Publish")
