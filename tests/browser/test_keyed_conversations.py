"""Conversations and shared generations on a hub with keys, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.access.signing import SECRET, token
from tests.browser.conftest import SETTINGS
from tests.browser.watching import Watcher
from tests.support.shared import Shared, shared_stack
from tests.support.stack import Stack

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    with shared_stack({**SETTINGS, "HUB_JWT_SECRET": SECRET}) as shared:
        yield shared


def sign_in(page: Page, shown: str) -> None:
    dialog = page.get_by_role("dialog", name="This hub asks for a token")
    dialog.wait_for()
    dialog.get_by_label("Token").fill(shown)
    dialog.get_by_role("button", name="Go on").click()
    dialog.wait_for(state="hidden")


def test_who_may_ask_has_conversations_that_nobody_else_sees(
    hub: Stack, context: BrowserContext, other_context: BrowserContext
) -> None:
    page = context.new_page()
    page.goto(hub.url)
    sign_in(page, token(sub="ada", hub={"generate": True}))
    page.locator("[data-who-name]").get_by_text("ada").wait_for()
    page.get_by_label("Your question").fill("mine")
    page.keyboard.press("Enter")
    watcher = Watcher(page).until_ended()
    page.locator("[data-thread-list]").get_by_text("mine", exact=True).wait_for()
    second = context.new_page()  # the same browser: the cookie is there already
    second.goto(page.url)
    assert Watcher(second).until_ended().text() == watcher.text()

    other = other_context.new_page()
    other.goto(page.url)
    sign_in(other, token(sub="bob", hub={"generate": True}))
    other.get_by_text("This conversation is not here").wait_for()
    other.goto(f"{hub.url}/g/{watcher.generation_id}")
    other.get_by_role("heading", name="This generation is not here").wait_for()


def test_a_share_link_lets_others_watch_and_nothing_else(
    hub: Stack, context: BrowserContext, other_context: BrowserContext
) -> None:
    headers = {"Authorization": f"Bearer {token(sub='ada', hub={'generate': True})}"}
    made = hub.post("/generations", json={"prompt": "shared"}, headers=headers).json()["id"]
    url = hub.post(f"/generations/{made}/share", headers=headers).json()["url"]
    page = other_context.new_page()
    page.goto(url)
    watcher = Watcher(page).until_ended()
    assert watcher.text().startswith("shared:")
    assert page.inner_text("[data-asked]") == "shared"
