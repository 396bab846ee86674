"""The examples that show what a back end pushes show it at once, and what was missed later."""

from __future__ import annotations

import re

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.proxy import Proxy
from tests.examples.conftest import EXAMPLES, Start, commands
from tests.support.deadline import eventually
from tests.support.provider import Script
from tests.support.shared import Shared

MARKUP = "<img src=x onerror=alert(1)>"


def status(page: Page) -> str:
    return page.locator("[role=status]").inner_text()


def items(page: Page) -> list[str]:
    return page.locator("li").all_text_contents()


def test_the_readme_knows_every_example() -> None:
    inside = {"README.md", "__init__.py", "__pycache__", "bundle.py"}
    inside |= {"static", "templates", "vendor"}
    found = {place.stem for place in EXAMPLES.iterdir() if place.name not in inside}

    assert set(commands()) <= found
    readme = (EXAMPLES / "README.md").read_text()
    assert not [name for name in found if f"[{name}](" not in readme]


@pytest.mark.browser
def test_messages_come_to_every_tab_as_json(start: Start, context: BrowserContext) -> None:
    url = start("messages")
    pages = [context.new_page() for _ in range(2)]
    for page in pages:
        page.goto(url)
        eventually(lambda page=page: status(page) == "Connected.")  # type: ignore[misc]

    pages[0].get_by_label("Message").fill(MARKUP)
    pages[0].get_by_role("button", name="Send").click()
    for page in pages:
        eventually(lambda page=page: len(items(page)) == 1)  # type: ignore[misc]
    message = {"name": "Bob", "text": "from elsewhere"}
    assert requests.post(f"{url}/messages", data=message, timeout=5).status_code == 201

    for page in pages:
        eventually(lambda page=page: len(items(page)) == 2)  # type: ignore[misc]
        newest, oldest = items(page)
        assert newest.startswith("Bob, ") and newest.endswith(": from elsewhere")
        assert oldest.startswith("Ada, ") and oldest.endswith(f": {MARKUP}")


@pytest.mark.browser
def test_the_flask_sse_quickstart_shows_its_greetings(
    start: Start, context: BrowserContext
) -> None:
    url = start("flask_sse")
    page = context.new_page()
    page.goto(url)
    eventually(lambda: page.evaluate("source.readyState") == 1)

    requests.get(f"{url}/hello", timeout=5).raise_for_status()
    requests.post(f"{url}/send_message", data={"message": MARKUP}, timeout=5).raise_for_status()

    eventually(lambda: items(page) == ["Hello!", MARKUP])


@pytest.mark.browser
def test_the_dashboard_shows_each_second_s_numbers_and_a_heartbeat_every_five(
    start: Start, context: BrowserContext
) -> None:
    page = context.new_page()
    page.goto(start("dashboard"))
    shown: list[str] = []

    def numbers() -> bool:
        now = page.locator("#published").inner_text()
        if now not in (*shown, "–"):
            shown.append(now)
        return len(shown) >= 3

    eventually(numbers)

    assert [int(number) for number in shown] == list(range(int(shown[0]), int(shown[0]) + 3))
    assert status(page) == "Live."
    beats: list[str] = []

    def heartbeats() -> bool:
        now = page.locator("#beats").inner_text()
        if now not in (*beats, "No heartbeat yet."):
            beats.append(now)
        return len(beats) >= 2

    eventually(heartbeats, 15)
    assert all(beat.endswith(", 1 watching.") for beat in beats)
    first, second = (int(re.findall(r":(\d\d)", beat)[-1]) for beat in beats)
    assert (second - first) % 60 in (4, 5, 6)
    assert page.locator("polyline").first.get_attribute("points")


@pytest.mark.browser
def test_the_dashboard_notices_silence_and_connects_anew(
    start: Start, context: BrowserContext, proxy: Proxy
) -> None:
    page = context.new_page()
    page.clock.install()
    page.goto(start("dashboard", hub_url=proxy.url))
    eventually(lambda: status(page) == "Live.")

    proxy.freeze()
    page.clock.fast_forward(13_000)
    eventually(lambda: status(page) != "Live.")
    proxy.mend()
    page.clock.fast_forward(13_000)

    eventually(lambda: status(page) == "Live.")


@pytest.mark.browser
def test_notifications_reach_who_they_are_for_also_after_a_close(
    start: Start, shared: Shared, context: BrowserContext
) -> None:
    url = start("notifications")

    def notify(to: str, title: str) -> None:
        requests.post(
            f"{url}/notify", data={"to": to, "title": title}, timeout=5
        ).raise_for_status()

    page = context.new_page()
    page.goto(url)
    eventually(lambda: status(page) == "Connected.")
    page.get_by_role("button", name="Notify").click()
    eventually(lambda: items(page) == ["to you: Your report is ready"])
    notify("everybody", MARKUP)
    eventually(lambda: items(page)[0] == f"to everybody: {MARKUP}")

    page.close()
    # Until its connection is gone, too, the page may still hear, and remember how far it came.
    channel = "/channels/user:7"
    eventually(lambda: shared.hub.get(channel).json()["listeners"] == 0)
    notify("you", "while you were away")
    shared.hub.publish("user:8", {"to": "you", "title": "for somebody else"}, "notice")
    notify("everybody", "all of us")
    page = context.new_page()
    page.goto(url)

    eventually(lambda: len(items(page)) == 2)
    assert sorted(items(page)) == ["to everybody: all of us", "to you: while you were away"]
    assert status(page) == "Connected."


@pytest.mark.browser
def test_users_ask_by_get_and_have_an_inbox_of_their_own(
    start: Start, shared: Shared, browser: Browser
) -> None:
    url = start("users")
    shared.provider.scripts["salt"] = Script(text="Because of\nthe rivers.")

    def signed_in(name: str) -> Page:
        page = browser.new_context().new_page()
        page.goto(url)
        page.get_by_label("Name").fill(name)
        page.get_by_role("button", name="Sign in").click()
        return page

    alice, bob = signed_in("alice"), signed_in("bob")
    alice.get_by_label("Question").fill("salt")
    alice.get_by_role("button", name="Ask").click()
    eventually(lambda: status(alice) == "Done.", 30)
    assert alice.locator("#answer").text_content() == "Because of\nthe rivers."
    alice.get_by_label("To").fill("bob")
    alice.get_by_label("Text").fill(MARKUP)
    alice.get_by_role("button", name="Tell").click()

    eventually(lambda: items(bob) == [f"alice: {MARKUP}"])
    assert items(alice) == []
    assert len(shared.provider.requests) == 1
    for page in (alice, bob):
        page.context.close()
