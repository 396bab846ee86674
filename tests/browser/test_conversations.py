"""Conversations on `/` in a real Chromium: turns, versions, other tabs, the list beside them."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.watching import Watcher
from tests.conftest import StartStack
from tests.support.deadline import eventually
from tests.support.provider import Gate, Script, ScriptedProvider, text_for
from tests.support.stack import Stack

pytestmark = pytest.mark.browser

PIXEL = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx"
    b"\x9cc\xf8\xcf\xc0\xf0\x1f\0\x05\0\x01\xff\x89\x99=\x1d\0\0\0\0IEND\xaeB`\x82"
)


def opened(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url)
    return page


def ask(page: Page, text: str) -> None:
    page.get_by_label("Your question").fill(text)
    page.keyboard.press("Enter")


def questions(page: Page) -> list[str]:
    found: list[str] = page.locator("[data-asked]").all_inner_texts()
    return found


def until_asked(page: Page, *expected: str) -> Page:
    """Until these questions are shown and all have been answered."""
    eventually(lambda: questions(page) == list(expected))
    eventually(
        lambda: page.locator('.generation[data-status="completed"]').count() == len(expected)
    )
    return page


def resting(page: Page) -> float:
    """How far down the window is, once it does not move any more."""
    places = [-1.0]

    def rests() -> bool:
        places.append(page.evaluate("scrollY"))
        return places[-1] == places[-2]

    eventually(rests, every_seconds=0.2)
    return places[-1]


def sent(provider: ScriptedProvider, at: int = -1) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = provider.requests[at]["messages"]
    return messages


def test_a_question_follows_on_what_was_said_before(
    hub: Stack, provider: ScriptedProvider, context: BrowserContext
) -> None:
    page = opened(context, hub.url)
    ask(page, "first")
    until_asked(page, "first")
    ask(page, "second")
    until_asked(page, "first", "second")
    assert [(one["role"], one["content"]) for one in sent(provider)] == [
        ("user", "first"),
        ("assistant", text_for("first")),
        ("user", "second"),
    ]


def test_every_tab_shows_the_conversation_and_what_another_asks_in_it(
    hub: Stack,
    provider: ScriptedProvider,
    gate: Gate,
    context: BrowserContext,
    other_context: BrowserContext,
) -> None:
    page = opened(context, hub.url)
    ask(page, "first")
    until_asked(page, "first")
    others = [opened(one, page.url) for one in (context, other_context)]
    for other in others:
        until_asked(other, "first")
    provider.scripts["second"] = Script("One. Two. Three.", gate=gate)
    ask(others[1], "second")
    for tab in (page, *others):
        eventually(lambda tab=tab: questions(tab) == ["first", "second"])  # type: ignore[misc]
    gate.release(2)
    for tab in (page, *others):
        Watcher(tab).until_text("One. Two")
    gate.open()
    for tab in (page, *others):
        assert Watcher(tab).until_ended().text() == "One. Two. Three."
        assert tab.title().startswith("first")


def test_asking_again_makes_another_version_and_both_can_be_read(
    hub: Stack, provider: ScriptedProvider, context: BrowserContext
) -> None:
    provider.scripts["dice"] = Script("one")
    page = opened(context, hub.url)
    ask(page, "dice")
    until_asked(page, "dice")
    provider.scripts["dice"] = Script("six")
    page.get_by_role("button", name="Ask again").click()
    eventually(lambda: Watcher(page).text() == "six")
    assert page.locator("[data-version]").inner_text() == "2 of 2"
    page.get_by_role("button", name="The version before").click()
    eventually(lambda: Watcher(page).text() == "one")
    assert sent(provider) == [{"role": "user", "content": "dice"}]
    page.reload()
    eventually(lambda: Watcher(page).text() == "six")  # what was asked last


def test_an_edited_question_takes_the_place_of_its_turn_and_of_what_followed(
    hub: Stack, provider: ScriptedProvider, context: BrowserContext
) -> None:
    page = opened(context, hub.url)
    for number, text in enumerate(("one", "two", "three"), 1):
        ask(page, text)
        until_asked(page, *("one", "two", "three")[:number])
    page.locator(".generation").nth(1).hover()
    page.locator("[data-edit]").nth(1).click()
    field = page.get_by_label("Your question")
    assert field.input_value() == "two"
    ask(page, "two, better")
    until_asked(page, "one", "two, better")
    assert [one["content"] for one in sent(provider)] == ["one", text_for("one"), "two, better"]
    page.get_by_role("button", name="The version before").click()
    until_asked(page, "one", "two", "three")


def test_the_system_prompt_and_the_parameters_go_with_every_question(
    hub: Stack, provider: ScriptedProvider, context: BrowserContext
) -> None:
    page = opened(context, hub.url)
    page.get_by_text("Options", exact=True).click()
    page.get_by_label("System prompt").fill("Be brief.")
    page.get_by_label("Temperature").fill("0.5")
    page.get_by_label("Most tokens").fill("99")
    page.keyboard.press("Escape")
    ask(page, "first")
    until_asked(page, "first")
    page.reload()
    until_asked(page, "first")
    ask(page, "second")
    until_asked(page, "first", "second")
    for request in provider.requests:
        assert request["messages"][0] == {"role": "system", "content": "Be brief."}
        assert request["temperature"] == 0.5
        assert 99 in (request.get("max_tokens"), request.get("max_completion_tokens"))


def test_a_picture_goes_along_with_its_question(
    hub: Stack, provider: ScriptedProvider, context: BrowserContext
) -> None:
    page = opened(context, hub.url)
    page.locator("[data-file]").set_input_files(
        {"name": "p.png", "mimeType": "image/png", "buffer": PIXEL}
    )
    page.locator("[data-attached] img").wait_for()
    ask(page, "What is this?")
    until_asked(page, "What is this?")
    text, image = sent(provider)[-1]["content"]
    assert text == {"type": "text", "text": "What is this?"}
    assert image["image_url"]["url"].startswith("data:image/png;base64,")
    assert page.locator("[data-asked-pictures] img").evaluate("one => one.naturalWidth") == 1
    assert page.locator("[data-attached] img").count() == 0


def test_conversations_are_found_renamed_and_deleted_in_every_tab(
    new_hub: Stack, context: BrowserContext
) -> None:
    page = opened(context, new_hub.url)
    ask(page, "about apples")
    until_asked(page, "about apples")
    page.get_by_role("link", name="New conversation").click()
    ask(page, "about pears")
    until_asked(page, "about pears")
    other = opened(context, page.url)
    names = page.locator("[data-thread-list] [data-name]")
    eventually(lambda: names.all_inner_texts() == ["about pears", "about apples"])
    page.get_by_label("Search conversations").fill("APP")
    eventually(lambda: names.all_inner_texts() == ["about apples"])
    page.get_by_label("Search conversations").fill("")
    page.locator("summary", has_text="More about about pears").click()
    page.get_by_role("button", name="Rename").click()
    page.get_by_role("textbox", name="Name").fill("Fruit")
    page.keyboard.press("Enter")
    for tab in (page, other):
        eventually(lambda tab=tab: tab.title().startswith("Fruit"))  # type: ignore[misc]
        tab.locator("[data-thread-list]").get_by_text("Fruit", exact=True).wait_for()
    page.locator("summary", has_text="More about Fruit").click()
    page.locator("[data-menu][open]").get_by_role("button", name="Delete").click()
    page.locator("[data-delete-dialog]").get_by_role("button", name="Delete").click()
    eventually(lambda: names.all_inner_texts() == ["about apples"])
    assert "thread=" not in page.url
    other.get_by_text("This conversation is not here").wait_for()
    assert len(new_hub.get("/generations").json()["generations"]) == 1
    assert not other.locator("[data-thread-head]").is_visible()
    gone = other.url
    ask(other, "about plums")  # begins another, and not the one that is gone
    until_asked(other, "about plums")
    assert other.url != gone and "thread=" in other.url
    assert not other.get_by_text("This conversation is not here").is_visible()


def test_the_window_follows_only_while_its_end_is_in_sight(
    hub: Stack, provider: ScriptedProvider, gate: Gate, context: BrowserContext
) -> None:
    lines = "\n\n".join(f"line {number}" for number in range(120))
    provider.scripts["long"] = Script(lines, gate=gate)
    page = opened(context, hub.url)
    ask(page, "long")
    gate.release(150)
    at_end = "document.documentElement.scrollHeight - scrollY - innerHeight < 60"
    eventually(lambda: page.get_by_text("line 40", exact=True).is_visible())
    eventually(lambda: page.evaluate(at_end) and page.evaluate("scrollY > 300"))
    page.mouse.move(600, 300)
    page.mouse.wheel(0, -400)
    eventually(lambda: not page.evaluate(at_end))
    resting(page)
    before = page.get_by_text("line 60", exact=True).bounding_box()
    gate.release(150)
    eventually(lambda: page.get_by_text("line 90", exact=True).count() == 1)
    assert page.get_by_text("line 60", exact=True).bounding_box() == before
    page.get_by_role("button", name="To the end").click()
    eventually(lambda: page.evaluate(at_end))
    gate.open()
    Watcher(page).until_ended()
    eventually(lambda: page.evaluate(at_end))


def test_a_queued_question_says_so_and_how_many_are_before_it(
    stack: StartStack, context: BrowserContext
) -> None:
    hub = stack(workers=0)
    for number in range(3):
        hub.generate(f"{number}")
    page = opened(context, hub.url)
    ask(page, "and me?")
    eventually(lambda: Watcher(page).part("standing") == "Queued, 3 before it")


def test_a_model_that_has_not_begun_is_said_to(
    hub: Stack, provider: ScriptedProvider, gate: Gate, context: BrowserContext
) -> None:
    provider.scripts["slow"] = Script("At last.", gate=gate)
    page = opened(context, hub.url)
    ask(page, "slow")
    eventually(lambda: "The model has not begun for 3 s" in Watcher(page).part("standing"))
    page.get_by_role("button", name="Stop").click()
    Watcher(page).until_ended("cancelled")
    assert Watcher(page).part("standing") == "Stopped"
