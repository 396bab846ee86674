"""`/notifications`, and the unread count on every page, in a real Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Locator, Page

from tests.support.deadline import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.browser


def opened(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url)
    return page


def feed(context: BrowserContext, hub: Stack, *channels: str) -> Page:
    page = opened(context, f"{hub.url}/notifications?channel={','.join(channels)}")
    page.locator('[data-connection][data-state="open"]').wait_for()
    return page


def received(page: Page) -> list[str]:
    found: list[str] = page.locator("[data-events] [data-data]").all_text_contents()
    return found


def badge(page: Page) -> Locator:
    return page.locator("[data-unread]")


def test_what_is_pushed_is_received(
    hub: Stack, context: BrowserContext, other_context: BrowserContext, channel: str
) -> None:
    sport = f"{channel}-sport"
    page, other = (feed(one, hub, channel, sport) for one in (context, other_context))
    form = page.locator("[data-push]")
    form.get_by_label("Channel").fill(sport)
    form.get_by_label("Event type").fill("goal")
    form.get_by_label("Data").fill("<b>1:0</b>\nsecond line")
    form.get_by_role("button", name="Push").click()
    for tab in (page, other):
        shown = tab.locator("[data-events] li")
        shown.first.wait_for()
        assert shown.locator("[data-data]").text_content() == "<b>1:0</b>\nsecond line"
        assert shown.locator("[data-channel]").text_content() == sport
        assert shown.locator("[data-type]").text_content() == "goal"
    hub.publish(channel, "from elsewhere")
    page.get_by_text("from elsewhere").wait_for()
    form.get_by_label("Event type").fill("heartbeat")
    form.get_by_role("button", name="Push").click()
    page.get_by_text("the hub's or EventSource's own").wait_for()


def test_what_came_before_is_there_after_a_reload_in_the_order_in_which_it_came(
    hub: Stack, context: BrowserContext, channel: str
) -> None:
    channels = channel, f"{channel}-sport"
    for number in range(6):
        hub.publish(channels[number % 2], f"{number}")
    page = feed(context, hub, *channels)
    eventually(lambda: received(page) == ["5", "4", "3", "2", "1", "0"])
    page.reload()
    eventually(lambda: received(page) == ["5", "4", "3", "2", "1", "0"])


def test_all_channels_come_over_one_connection(
    hub: Stack, context: BrowserContext, channel: str
) -> None:
    channels = [f"{channel}-{number}" for number in range(4)]
    streams: list[str] = []
    context.on("request", lambda request: streams.append(request.url))
    page = feed(context, hub, *channels)
    hub.publish(channels[3], "x")
    eventually(lambda: received(page) == ["x"])
    for name in channels:
        eventually(lambda name=name: hub.get(f"/channels/{name}").json()["listeners"] == 1)  # type: ignore[misc]


def test_a_channel_can_be_followed_and_left(
    hub: Stack, context: BrowserContext, channel: str
) -> None:
    page = feed(context, hub, channel)
    page.locator("[data-watchers]", has_text="1 listening").wait_for()
    page.get_by_label("Channel to follow").fill("weather")
    page.keyboard.press("Enter")
    page.locator('[data-chip="weather"] .hint', has_text="1").wait_for()
    hub.publish("weather", "rain")
    page.get_by_text("rain").wait_for()
    page.get_by_role("button", name="Leave weather").click()
    eventually(lambda: hub.get("/channels/weather").json()["listeners"] == 0)
    assert received(page) == []


def test_a_name_that_is_none_is_told_beside_its_field_and_not_followed(
    hub: Stack, context: BrowserContext, channel: str
) -> None:
    page = feed(context, hub, channel)
    page.get_by_label("Channel to follow").fill("not a name")
    page.keyboard.press("Enter")
    page.locator("[data-listen-problem]", has_text="a channel name is").wait_for()
    assert page.get_by_role("button", name="Leave not a name").count() == 0


def test_every_tab_counts_what_has_not_been_read_and_shows_what_comes_in(
    hub: Stack, context: BrowserContext, channel: str
) -> None:
    feed(context, hub, channel).close()
    page = opened(context, f"{hub.url}/status")
    other = opened(context, hub.url)
    eventually(lambda: hub.get(f"/channels/{channel}").json()["listeners"] == 1)
    hub.publish(channel, "one")
    hub.publish(channel, {"title": "two", "body": "with words"})
    page.locator("[data-toasts]").get_by_text("two\nwith words", exact=True).wait_for()
    for tab in (page, other):
        eventually(lambda tab=tab: badge(tab).text_content() == "2")  # type: ignore[misc]
        assert tab.title().startswith("(2) ")
    page.get_by_role("link", name="Notifications").click()
    page.locator("[data-events]").get_by_text("one").wait_for()
    for tab in (page, other):
        eventually(lambda tab=tab: badge(tab).is_hidden())  # type: ignore[misc]
        assert not tab.title().startswith("(")


def test_what_came_while_no_tab_was_open_is_unread(
    hub: Stack, context: BrowserContext, channel: str
) -> None:
    page = feed(context, hub, channel)
    hub.publish(channel, "seen")
    page.get_by_text("seen").wait_for()
    page.goto("about:blank")
    hub.publish(channel, "missed")
    page.goto(hub.url)
    eventually(lambda: badge(page).text_content() == "1")


def test_the_browser_notifies_of_what_comes_while_the_page_is_in_the_background(
    hub: Stack, context: BrowserContext, channel: str
) -> None:
    context.add_init_script(
        "globalThis.told = [];"
        "globalThis.Notification = class { static permission = 'default';"
        " static async requestPermission() { Notification.permission = 'granted'; }"
        " constructor(title, { body }) { told.push([title, body]); } };"
        "Object.defineProperty(document, 'visibilityState',"
        " { get: () => globalThis.away ? 'hidden' : 'visible' });"
    )
    page = feed(context, hub, channel)
    page.get_by_role("button", name="in the background").click()
    eventually(lambda: page.locator("[data-notify]").is_hidden())
    hub.publish(channel, "looked at")
    page.get_by_text("looked at").wait_for()
    page.evaluate("away = true")
    hub.publish(channel, "in the background")
    eventually(lambda: page.evaluate("told") == [[channel, "in the background"]])
