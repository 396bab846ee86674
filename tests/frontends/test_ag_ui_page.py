"""`HttpAgent` of `@ag-ui/client` in a real Chromium: the example's page against the real stack."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.frontends.conftest import ServePage
from tests.frontends.page import ANSWER, asked, calls, chunk, is_whole, status
from tests.support.deadline import eventually
from tests.support.provider import Gate, Script
from tests.support.shared import Shared

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def opened(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url)
    eventually(lambda: status(page) != "Answering…" or answer(page) != "", 30)
    return page


def answer(page: Page) -> str:
    return "".join(page.locator("article.assistant").last.locator(".text").all_text_contents())


def test_a_run_survives_a_reload_and_a_second_client_connects_to_it(
    shared: Shared, context: BrowserContext, serve_page: ServePage
) -> None:
    url = serve_page("ag_ui") + "/?thread=reloaded"
    gate = Gate()
    shared.provider.scripts["salt"] = Script(text=ANSWER, gate=gate)
    page = opened(context, url)
    assert status(page) == ""
    asked(page, "salt")
    gate.release(2)
    eventually(lambda: answer(page) == ANSWER[:8], 30)

    page.reload()
    other = opened(context, url)
    eventually(lambda: answer(page) == answer(other) == ANSWER[:8], 30)
    assert page.locator("article.user").all_text_contents() == ["salt"]
    gate.open()

    eventually(lambda: status(page) == status(other) == "Done.", 30)
    assert answer(page) == answer(other) == ANSWER
    page.reload()
    eventually(lambda: status(page) == "Done.", 30)
    assert page.locator("article").all_text_contents() == ["salt", ANSWER]
    assert len(shared.provider.requests) == 1


def test_a_tool_of_the_page_answers_the_model(
    shared: Shared, context: BrowserContext, serve_page: ServePage
) -> None:
    shared.provider.scripts["how large"] = Script(chunks=calls("window_size"))
    page = opened(context, serve_page("ag_ui") + "/?thread=tools")
    asked(page, "how large")
    eventually(lambda: len(shared.provider.requests) == 2, 30)
    eventually(lambda: status(page) == "Done.", 30)

    first, second = shared.provider.requests
    assert first["tools"][0]["function"]["name"] == "window_size"
    call, output = second["messages"][-2:]
    assert call["tool_calls"][0]["id"] == output["tool_call_id"] == "call_1"
    assert is_whole(call), call
    size = page.evaluate("`${innerWidth} x ${innerHeight}`")
    assert (output["role"], output["content"]) == ("tool", size)


def test_reasoning_and_a_generator_s_data_are_shown(
    shared: Shared, context: BrowserContext, serve_page: ServePage
) -> None:
    shared.provider.scripts["salt"] = Script(
        chunks=[chunk(reasoning_content="Rivers "), chunk(reasoning_content="carry it."),
                chunk(content=ANSWER), chunk("stop")]
    )  # fmt: skip
    page = opened(context, serve_page("ag_ui") + "/?thread=reasoning")
    asked(page, "salt")
    eventually(lambda: status(page) == "Done.", 30)
    assert page.locator("#reasoning").inner_text() == "Rivers carry it."

    page.route("**/ag-ui", with_model("plain"))
    asked(page, "salt")

    def all_three() -> list[str]:
        shown: list[str] = page.locator("#parts li").all_text_contents()
        return shown if len(shown) == 3 else []

    parts = eventually(all_three, 30)
    assert parts[0] == 'progress {"step":1}'
    assert parts[2] == 'source {"url":"https://example.org"}'


def with_model(model: str) -> Any:
    """A page's run that asks for another model."""

    def change(route: Any) -> None:
        body = {**route.request.post_data_json, "forwardedProps": {"model": model}}
        route.continue_(post_data=json.dumps(body))

    return change


def test_a_stop_is_for_all_and_a_failure_is_told_in_words(
    shared: Shared, context: BrowserContext, serve_page: ServePage
) -> None:
    url = serve_page("ag_ui") + "/?thread=stopped"
    gate = Gate()
    shared.provider.scripts["salt"] = Script(text=ANSWER, gate=gate)
    page = opened(context, url)
    asked(page, "salt")
    gate.release(2)
    eventually(lambda: answer(page) == ANSWER[:8], 30)
    other = opened(context, url)
    eventually(lambda: answer(other) == ANSWER[:8], 30)
    other.get_by_role("button", name="Stop").click()
    eventually(lambda: status(page) == status(other) == "Stopped.", 30)
    assert answer(page) == ANSWER[:8]

    shared.provider.scripts["pepper"] = Script(
        status=400, error={"error": {"message": "no pepper"}}
    )
    asked(page, "pepper")
    eventually(lambda: "no pepper" in status(page), 30)
