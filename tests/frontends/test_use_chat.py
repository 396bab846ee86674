"""`useChat()` in a real Chromium: the example's page, bundled, against the real stack."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page

from tests.clients.client import NODE_MODULES, node
from tests.support.deadline import answers, eventually
from tests.support.process import Process, ReservedPort
from tests.support.provider import Gate, Script
from tests.support.real import ROOT
from tests.support.shared import Shared, shared_stack
from tests.support.stack import clean_environ

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ALIASES = {
    5: "--alias:@ai-sdk/react=ai-sdk-react-5 --alias:ai=ai5",
    6: "--alias:@ai-sdk/react=ai-sdk-react-6 --alias:ai=ai6",
    7: "",
}
ANSWER = "Because of the rivers."

OpenPage = Callable[[str], Page]


@pytest.fixture(scope="module")
def port() -> Iterator[ReservedPort]:
    reserved = ReservedPort()
    yield reserved
    reserved.close()


@pytest.fixture(scope="module")
def whole_module(port: ReservedPort) -> Iterator[Shared]:
    origin = f"http://127.0.0.1:{port.number}"
    with shared_stack({"HUB_CORS_ORIGINS": origin}) as shared:
        yield shared


@pytest.fixture
def shared(whole_module: Shared) -> Shared:
    whole_module.reset()
    return whole_module


@pytest.fixture(params=sorted(ALIASES), ids=lambda version: f"ai-{version}")
def page_url(
    request: pytest.FixtureRequest,
    shared: Shared,
    port: ReservedPort,
    tmp_path: Path,
    processes: list[Process],
) -> str:
    """The example's page, made with one version of the SDK."""
    node()
    env = {
        **clean_environ(),
        "EXAMPLE_PORT": str(port.number),
        "EXAMPLE_ALIASES": ALIASES[request.param],
        "HUB_URL": shared.hub.url,
        "NODE_PATH": str(NODE_MODULES),
    }
    command = [sys.executable, "-m", "examples.ai_sdk"]
    server = Process("page", command, tmp_path / "page.log", env=env, cwd=ROOT)
    processes.append(server)
    server.start()
    url = f"http://127.0.0.1:{port.number}"
    answers(lambda: requests.get(url, timeout=2).raise_for_status(), 30)
    return f"{url}/?chat=chat-of-{request.param}"


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    problems: list[str] = []
    context.on("weberror", lambda error: problems.append(str(error.error)))
    yield context
    context.close()
    assert problems == []


def opened(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url)
    page.get_by_label("Question").wait_for()
    return page


def answer(page: Page) -> str:
    return "".join(page.locator("article.assistant .text").all_text_contents())


def status(page: Page) -> str:
    return page.locator("[role=status]").inner_text()


def test_a_chat_survives_a_reload_in_mid_answer_and_is_the_same_in_every_tab(
    shared: Shared, context: BrowserContext, page_url: str
) -> None:
    gate = Gate()
    shared.provider.scripts["salt"] = Script(text=ANSWER, gate=gate)
    page = opened(context, page_url)
    page.get_by_label("Question").fill("salt")
    page.get_by_role("button", name="Ask").click()
    gate.release(2)
    eventually(lambda: answer(page) == ANSWER[:8], 30)

    page.reload()
    other = opened(context, page_url)
    eventually(lambda: answer(page) == answer(other) == ANSWER[:8], 30)
    gate.open()

    eventually(lambda: answer(page) == answer(other) == ANSWER, 30)
    eventually(lambda: status(page) == status(other) == "ready", 30)
    assert len(shared.provider.requests) == 1


def test_a_stop_stops_it_and_again_asks_again(
    shared: Shared, context: BrowserContext, page_url: str
) -> None:
    gate = Gate()
    shared.provider.scripts["salt"] = Script(text=ANSWER, gate=gate)
    page = opened(context, page_url + "-stopped")
    page.get_by_label("Question").fill("salt")
    page.get_by_role("button", name="Ask").click()
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
    page.get_by_label("Question").fill("pepper")
    page.get_by_role("button", name="Ask").click()
    eventually(lambda: "no pepper" in status(page), 30)
