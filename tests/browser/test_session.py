"""Pages of a hub with keys: they ask for a token, work with it, say who one is, let go of it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import BrowserContext, Page, expect

from tests.access.signing import SECRET, rights, token
from tests.browser.watching import Watcher
from tests.support.deadline import eventually
from tests.support.provider import Gate, Script, ScriptedProvider
from tests.support.shared import Shared, shared_stack
from tests.support.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.sets_keys]

PATIENCE_MS = 15_000


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    with shared_stack({"HUB_JWT_SECRET": SECRET, "HUB_HEARTBEAT_SECONDS": "1"}) as shared:
        yield shared


def sign_in(page: Page, shown: str) -> None:
    page.get_by_role("textbox", name="Token", exact=True).fill(shown)
    page.keyboard.press("Enter")


def ann(jti: str | None = None) -> str:
    return token(sub="ann", jti=jti, hub={"generate": True, "subscribe": ["news"]})


def test_a_page_asks_for_a_token_and_then_works_until_one_signs_out(
    hub: Stack, provider: ScriptedProvider, context: BrowserContext
) -> None:
    provider.scripts["hello"] = Script("the answer")
    page = context.new_page()
    page.goto(f"{hub.url}/")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible(timeout=PATIENCE_MS)
    sign_in(page, "nonsense")
    expect(page.get_by_role("alert").filter(has_text="not valid")).to_be_visible(
        timeout=PATIENCE_MS
    )
    sign_in(page, ann())
    expect(dialog).to_be_hidden(timeout=PATIENCE_MS)
    expect(page.locator("[data-who-name]")).to_have_text("ann", timeout=PATIENCE_MS)
    page.get_by_label("Your question").fill("hello")
    page.keyboard.press("Enter")
    watcher = Watcher(page)
    eventually(lambda: watcher.text() == "the answer", 20)
    stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert SECRET not in stored and "eyJ" not in stored
    assert page.evaluate("document.cookie") == ""
    (cookie,) = context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("hubbub_token", True, "Lax")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("dialog")).to_be_visible(timeout=PATIENCE_MS)
    assert context.cookies() == []


def test_a_share_link_works_in_somebody_else_s_browser_and_shows_nothing_more(
    hub: Stack, provider: ScriptedProvider, context: BrowserContext, gate: Gate
) -> None:
    provider.scripts["hello"] = Script("the shared answer", gate=gate)
    mine = {"Authorization": f"Bearer {ann()}"}
    made = hub.post("/generations", json={"prompt": "hello"}, headers=mine).json()["id"]
    link = hub.post(f"/generations/{made}/share", headers=mine).json()
    page = context.new_page()
    asked: list[dict[str, str]] = []
    page.on("request", lambda request: asked.append(request.headers))
    page.goto(link["url"])
    gate.open()
    watcher = Watcher(page)
    eventually(lambda: watcher.text() == "the shared answer", 20)
    shown = link["url"].partition("token=")[2]
    assert not [headers for headers in asked if shown in headers.get("referer", "")]
    assert context.cookies() == []
    assert shown.rpartition(".")[2] not in hub.logs()
    page.goto(f"{hub.url}/g/{made}")
    expect(page.get_by_role("dialog")).to_be_visible(timeout=PATIENCE_MS)


def test_a_page_says_that_its_token_was_revoked(hub: Stack, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(f"{hub.url}/notifications?channel=news")
    sign_in(page, ann(jti="anns"))
    expect(page.locator("[data-who-name]")).to_have_text("ann", timeout=PATIENCE_MS)
    admin = {"Authorization": f"Bearer {token(sub='root', hub=rights())}"}
    eventually(lambda: hub.get("/channels/news", headers=admin).json()["listeners"] == 1, 15)
    assert hub.delete("/tokens/anns", headers=admin).status_code == 204
    eventually(lambda: "revoked" in (page.text_content("main") or ""), 15)


def test_the_status_page_asks_for_an_admin_s_token(hub: Stack, context: BrowserContext) -> None:
    page = context.new_page()
    answer = page.goto(f"{hub.url}/status")
    assert answer is not None and answer.status == 401
    sign_in(page, token(sub="root", hub={"admin": True}))
    expect(page.locator("[data-who-name]")).to_have_text("root", timeout=PATIENCE_MS)
    eventually(lambda: "Listeners" in (page.text_content("main") or ""), 15)


def test_a_page_that_is_not_allowed_lets_one_sign_in_as_somebody_else(
    hub: Stack, context: BrowserContext
) -> None:
    page = context.new_page()
    page.goto(hub.url)
    sign_in(page, ann())
    expect(page.locator("[data-who-name]")).to_have_text("ann", timeout=PATIENCE_MS)
    answer = page.goto(f"{hub.url}/status")
    assert answer is not None and answer.status == 403
    expect(page.locator("[data-who-name]")).to_have_text("ann", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, token(sub="root", hub={"admin": True}))
    expect(page.locator("[data-who-name]")).to_have_text("root", timeout=PATIENCE_MS)


def test_a_foreign_page_can_do_nothing_with_the_cookie(
    hub: Stack, other_context: BrowserContext
) -> None:
    """Another port of this machine is another origin, and the same site: the cookie goes along."""
    page = other_context.new_page()
    page.goto(f"{hub.url}/")
    sign_in(page, token(sub="root", hub=rights()))
    expect(page.locator("[data-who-name]")).to_have_text("root", timeout=PATIENCE_MS)
    page.route(
        "http://127.0.0.1:9/*",
        lambda route: route.fulfill(content_type="text/html", body="<title>elsewhere</title>"),
    )
    page.goto("http://127.0.0.1:9/elsewhere")
    for send in (
        "fetch(url, {method: 'POST', mode: 'no-cors', credentials: 'include', body: 'x'})",
        "Promise.resolve(navigator.sendBeacon(url, 'x'))",
    ):
        page.evaluate(f"url => {send}.then(() => 1, () => 0)", f"{hub.url}/channels/news/events")
    form = "<form method=post enctype=text/plain action='{}/channels/news/events'><input name=a>"
    page.set_content(form.format(hub.url))
    with page.expect_navigation():
        page.evaluate("document.forms[0].submit()")
    assert (
        json.loads(page.inner_text("body"))["code"] == "cross-origin"
        if (page.inner_text("body").startswith("{"))
        else "origin" in page.inner_text("body")
    )
    admin = {"Authorization": f"Bearer {token(sub='root', hub=rights())}"}
    found = requests.get(f"{hub.url}/channels/news", headers=admin, timeout=15).json()
    assert found["retained"] == 0
