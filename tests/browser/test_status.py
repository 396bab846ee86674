"""`/status` in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.conftest import StartStack
from tests.support.deadline import eventually
from tests.support.stack import Stack
from tests.support.stream import EventStream

pytestmark = pytest.mark.browser


@pytest.fixture
def hub(stack: StartStack) -> Stack:
    return stack({"HUB_HEARTBEAT_SECONDS": "1", "HUB_RETRY_MS": "100"})


def look(page: Page, channel: str) -> None:
    page.get_by_placeholder("a channel's name").fill(channel)
    page.get_by_role("button", name="Look").click()
    page.locator('[data-connection][data-state="open"]').wait_for()


def test_the_state_of_the_hub_is_shown(
    hub: Stack, context: BrowserContext, listen: Callable[..., EventStream]
) -> None:
    listener = listen(f"{hub.url}/channels/news/events")
    listener.next("subscribed")
    hub.publish("news", "one")
    listener.next("message")
    generation_id = hub.generate("state")
    hub.finished(generation_id)
    page = context.new_page()
    page.goto(f"{hub.url}/status")
    page.get_by_role("link", name=generation_id).wait_for()
    assert page.locator('[data-health] .tile[data-state="bad"]').count() == 0
    for words in ("Jobs running", "1 completed"):
        page.get_by_text(words).first.wait_for()
    for part in ("lag", "first"):
        page.locator(f"[data-{part}]").get_by_text("99 in 100").wait_for()
    assert page.locator("[data-workers] tr").count() == 1
    assert page.locator("[data-processes] tr").count() == 1

    # One number of listeners, whoever says it: this page's streams are among them.
    def numbers() -> set[str]:
        shown = page.locator(".plot", has_text="Listeners").locator("[data-value]")
        return {
            shown.text_content() or "",
            page.locator("[data-processes] td").nth(1).text_content() or "",
        }

    another = listen(f"{hub.url}/channels/news/events")
    another.next("subscribed")
    eventually(lambda: len(numbers()) == 1 and numbers() >= {"3"}, 20)
    # A second sample, and with it the first line of the plots.
    plot = page.locator(".plot", has_text="Published").locator(".line")
    eventually(lambda: (plot.get_attribute("d") or "").startswith("M"), 20)


def test_a_connection_that_is_cut_says_whether_anything_is_missing(
    hub: Stack, context: BrowserContext
) -> None:
    hub.publish("news", "retained")
    page = context.new_page()
    page.goto(f"{hub.url}/status")
    look(page, "news")
    page.locator("[data-events]").get_by_text("retained").wait_for()
    page.locator("[data-publish]").get_by_label("Data").fill("live")
    page.keyboard.press("Enter")
    page.locator("[data-events]").get_by_text("live").wait_for()
    page.get_by_role("button", name="Cut this connection").click()
    page.get_by_text("Back, and nothing is missing").wait_for()
    shown = page.locator("[data-events] [data-data]")
    assert shown.all_text_contents() == ["live", "retained"]
    hub.delete("/channels/news")
    page.get_by_text("Events were lost beyond repair: deleted").wait_for()


def test_a_hub_without_its_redis_says_so(
    stack: StartStack, context: BrowserContext, start_valkey: Callable[..., object]
) -> None:
    valkey = start_valkey()
    hub = stack(workers=0, redis_url=valkey.url)  # type: ignore[attr-defined]
    page = context.new_page()
    page.goto(f"{hub.url}/status")
    page.locator('.tile[data-state="good"]', has_text="Redis").wait_for()
    valkey.end()  # type: ignore[attr-defined]
    page.locator('.tile[data-state="bad"]', has_text="does not answer").wait_for()


def test_the_page_follows_the_hub_s_own_stream_and_asks_once(
    hub: Stack, context: BrowserContext
) -> None:
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(hub.url)))
    page.goto(f"{hub.url}/status")
    page.get_by_text("Live, ").wait_for()
    generation_id = hub.generate("seen without being asked for")
    page.get_by_role("link", name=generation_id).wait_for()
    hub.finished(generation_id)
    page.get_by_text("1 completed").wait_for()
    assert asked.count("/status/events") == 1
    assert asked.count("/status/data") == 1
    assert "/generations" not in {path.partition("?")[0] for path in asked}
