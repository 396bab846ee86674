"""`useChat()` in a real Chromium: the example's page, bundled, against the real stack."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.proxy import Proxy
from tests.frontends.conftest import ServePage, newest
from tests.frontends.page import ANSWER, asked, calls, chunk, is_whole, status
from tests.support.deadline import eventually
from tests.support.provider import Gate, Script
from tests.support.shared import Shared

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ALIASES = {
    5: "--alias:@ai-sdk/react=ai-sdk-react-5 --alias:ai=ai5",
    6: "--alias:@ai-sdk/react=ai-sdk-react-6 --alias:ai=ai6",
    7: "",
}


@pytest.fixture
def proxy(shared: Shared) -> Iterator[Proxy]:
    proxy = Proxy(shared.hub.url)
    yield proxy
    proxy.close()


@pytest.fixture(params=sorted(ALIASES), ids=lambda version: f"ai-{version}")
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def page_url(version: int, serve_page: ServePage) -> str:
    """The example's page, made with one version of the SDK."""
    url = serve_page("ai_sdk", ALIASES[version])
    return f"{url}/?chat=chat-of-{version}"


def opened(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url)
    page.get_by_label("Question").wait_for()
    return page


def answer(page: Page) -> str:
    return "".join(page.locator("article.assistant .text").all_text_contents())


def test_a_chat_survives_a_reload_in_mid_answer_and_is_the_same_in_every_tab(
    shared: Shared, context: BrowserContext, page_url: str
) -> None:
    gate = Gate()
    shared.provider.scripts["salt"] = Script(text=ANSWER, gate=gate)
    page = opened(context, page_url)
    asked(page, "salt")
    gate.release(2)
    eventually(lambda: answer(page) == ANSWER[:8], 30)

    page.reload()
    other = opened(context, page_url)
    eventually(lambda: answer(page) == answer(other) == ANSWER[:8], 30)
    gate.open()

    eventually(lambda: answer(page) == answer(other) == ANSWER, 30)
    eventually(lambda: status(page) == status(other) == "ready", 30)
    assert len(shared.provider.requests) == 1


def test_an_answer_goes_on_by_itself_after_a_cut(
    shared: Shared, context: BrowserContext, serve_page: ServePage, proxy: Proxy, version: int
) -> None:
    gate = Gate()
    shared.provider.scripts["salt"] = Script(text=ANSWER, gate=gate)
    url = serve_page("ai_sdk", ALIASES[version], hub=proxy.url)
    page = opened(context, f"{url}/?chat=cut-{version}")
    with page.expect_response("**/api/chat"):
        asked(page, "salt")

    proxy.cut()  # nothing but the head has come
    gate.release(3)
    proxy.mend()
    eventually(lambda: answer(page) == ANSWER[:12], 30)
    proxy.cut()
    gate.open()  # it ends while the page is away
    eventually(lambda: newest(shared)["status"] == "completed", 30)
    proxy.mend()

    eventually(lambda: status(page) == "ready", 30)
    assert answer(page) == ANSWER
    assert page.locator("article.assistant .text").count() == 1
    assert len(shared.provider.requests) == 1


def test_a_stop_stops_it_and_again_asks_again(
    shared: Shared, context: BrowserContext, page_url: str
) -> None:
    gate = Gate()
    shared.provider.scripts["salt"] = Script(text=ANSWER, gate=gate)
    page = opened(context, page_url + "-stopped")
    asked(page, "salt")
    gate.release(2)
    eventually(lambda: answer(page) == ANSWER[:8], 30)
    page.get_by_role("button", name="Stop").click()
    eventually(lambda: status(page) == "ready", 30)

    shared.provider.scripts["salt"] = Script(text="Another one.")
    page.get_by_role("button", name="Again").click()
    eventually(lambda: answer(page) == "Another one.", 30)

    shared.provider.scripts["pepper"] = Script(
        status=400, error={"error": {"message": "no pepper"}}
    )
    asked(page, "pepper")
    eventually(lambda: "no pepper" in status(page), 30)


def test_a_tool_of_the_page_answers_the_model_once_and_the_message_goes_on(
    shared: Shared, context: BrowserContext, page_url: str
) -> None:
    """With two tabs, of which one asked: the other one sees the call and answers nothing."""
    gate = Gate()
    shared.provider.scripts["how large"] = Script(chunks=calls("window_size"), gate=gate)
    page = opened(context, page_url + "-tools")
    asked(page, "how large")
    eventually(lambda: len(shared.provider.requests) == 1, 30)
    other = opened(context, page_url + "-tools")
    generation_id = newest(shared)["id"]
    eventually(lambda: shared.hub.generation(generation_id)["listeners"] == 2, 30)
    gate.open()
    eventually(lambda: len(shared.provider.requests) == 2, 30)
    eventually(lambda: status(page) == status(other) == "ready" and answer(page) != "", 30)

    first, second = shared.provider.requests
    assert first["tools"][0]["function"]["name"] == "window_size"
    call, output = second["messages"][-2:]
    assert call["tool_calls"][0]["id"] == output["tool_call_id"] == "call_1"
    assert is_whole(call), call
    size = page.evaluate("`${innerWidth} x ${innerHeight}`")
    assert (output["role"], output["content"]) == ("tool", size)
    assert page.locator("article.assistant").count() == 1
    assert page.locator("article.assistant pre").all_text_contents() == [f"window_size {{}} {size}"]
    assert other.locator("article.assistant pre").all_text_contents() == ["window_size {} "]


def test_files_reach_the_model_and_reasoning_and_data_the_page(
    shared: Shared, context: BrowserContext, page_url: str
) -> None:
    picture = b"\x89PNG, more or less"
    shared.provider.default = Script(
        chunks=[chunk(reasoning_content="Rivers "), chunk(reasoning_content="carry it."),
                chunk(content=ANSWER), chunk("stop")]
    )  # fmt: skip
    page = opened(context, page_url + "-parts")
    page.get_by_label("Files").set_input_files(
        {"name": "sea.png", "mimeType": "image/png", "buffer": picture}
    )
    asked(page, "salt")
    eventually(lambda: status(page) == "ready" and answer(page) == ANSWER, 30)
    assert page.locator(".reasoning").inner_text() == "Rivers carry it."
    (sent,) = shared.provider.requests[-1]["messages"][-1:]
    (url,) = [part["image_url"]["url"] for part in sent["content"] if "image_url" in part]
    assert url == "data:image/png;base64," + base64.b64encode(picture).decode()

    page = opened(context, page_url + "-data&model=plain")
    asked(page, "salt")
    eventually(lambda: status(page) == "ready" and answer(page) != "", 30)
    assert answer(page) == "The sea is salty. 🌊"
    shown = page.locator("article.assistant pre").all_text_contents()
    assert shown[:2] == ['{"step":2}', '{"url":"https://example.org"}']
