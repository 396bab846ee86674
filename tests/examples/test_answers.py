"""The examples that show a model's answer show all of it, while it comes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page

from hub import sse
from tests.browser.proxy import Proxy
from tests.examples.conftest import Start, commands
from tests.support import keys
from tests.support.deadline import eventually, patience
from tests.support.provider import Gate, Script, deltas_of, text_for
from tests.support.real import ROOT
from tests.support.shared import Shared
from tests.support.stack import clean_environ

PARAGRAPHS = ["One", ".\n\n", "\n", "\n\n", "Two", "\n", "  <b>&amp;</b>", "\n\n\n", "end.", "\n"]
"""Deltas as models send them: line breaks stand at the end, at the beginning, and alone."""


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


def texts(page: Page) -> list[str]:
    found: list[str] = page.evaluate(
        "[...document.querySelectorAll('.text')].map((box) => box.textContent)"
    )
    return found


def status(page: Page) -> str:
    return page.locator("[role=status]").inner_text()


def until(page: Page, words: str) -> None:
    eventually(lambda: status(page) == words)


def ask(page: Page, url: str, label: str, question: str) -> None:
    page.goto(url)
    page.get_by_label(label).fill(question)
    page.get_by_role("button", name="Ask").click()


# ── chat: fetch, and OpenAI's chunks ─────────────────────────────────────────────────────────


@pytest.mark.browser
def test_chat_shows_the_words_as_they_come_and_all_of_them_at_done(
    start: Start, shared: Shared, context: BrowserContext, gate: Gate
) -> None:
    text = text_for("salt")
    shared.provider.scripts["salt"] = Script(text, gate=gate)
    page = context.new_page()
    page.goto(start("chat"))
    token = keys.TOKEN or "a-token"
    page.get_by_label("Token").fill(token)
    page.get_by_label("Question").fill("salt")
    with page.expect_request("**/v1/chat/completions") as asked:
        page.get_by_role("button", name="Ask").click()

    gate.release(5)
    eventually(lambda: texts(page) == [text[:20]])
    assert status(page) == "Asking…"
    gate.open()
    until(page, "Done.")

    assert texts(page) == [text]
    assert asked.value.all_headers()["authorization"] == f"Bearer {token}"


@pytest.mark.browser
def test_chat_shows_several_choices_beside_each_other(
    start: Start, shared: Shared, context: BrowserContext
) -> None:
    def chunk(index: int, content: str | None, finish: str | None = None) -> dict[str, object]:
        delta = {"content": content} if content else {}
        choice = {"index": index, "delta": delta, "finish_reason": finish}
        return {"id": "x", "object": "chat.completion.chunk", "created": 1, "choices": [choice]}

    first, second = text_for("first"), text_for("second")
    pairs = zip(deltas_of(first, 9), deltas_of(second, 9), strict=False)
    chunks = [chunk(index, delta) for pair in pairs for index, delta in enumerate(pair)]
    shown = [
        "".join(one["choices"][0]["delta"]["content"] for one in chunks[index::2])  # type: ignore[index]
        for index in (0, 1)
    ]
    ends: list[object] = [chunk(0, None, "stop"), chunk(1, None, "stop"), "[DONE]"]
    shared.provider.scripts["two"] = Script(chunks=[*chunks, *ends])
    page = context.new_page()
    page.goto(start("chat"))
    page.get_by_label("Answers").select_option("2")
    page.get_by_label("Question").fill("two")
    page.get_by_role("button", name="Ask").click()

    until(page, "Done.")

    assert texts(page) == shown
    assert shared.provider.requests[0]["n"] == 2


@pytest.mark.browser
def test_chat_says_why_there_is_no_answer(
    start: Start, shared: Shared, context: BrowserContext
) -> None:
    refusal = {"error": {"message": "no such key"}}
    shared.provider.scripts["salt"] = Script(status=401, error=refusal)
    page = context.new_page()
    ask(page, start("chat"), "Question", "salt")

    eventually(lambda: "no such key" in status(page))


# ── query: fetchEventSource, and text ────────────────────────────────────────────────────────


@pytest.mark.browser
def test_query_appends_the_data_of_each_event_and_no_line_break_is_lost(
    start: Start, shared: Shared, context: BrowserContext, gate: Gate
) -> None:
    shared.provider.scripts["salt"] = Script(deltas=PARAGRAPHS, gate=gate)
    page = context.new_page()
    page.goto(start("query"))
    page.get_by_label("Query").fill("salt")
    with page.expect_request("**/query") as asked:
        page.get_by_role("button", name="Ask").click()

    for count in range(1, len(PARAGRAPHS) + 1):
        gate.release()
        eventually(lambda count=count: texts(page) == ["".join(PARAGRAPHS[:count])])  # type: ignore[misc]
    gate.open()
    until(page, "Done.")

    assert texts(page) == ["".join(PARAGRAPHS)]
    assert asked.value.post_data_json == {"query": "salt"}


@pytest.mark.browser
def test_query_goes_on_after_a_cut_with_the_same_answer(
    start: Start, shared: Shared, context: BrowserContext, gate: Gate, proxy: Proxy
) -> None:
    text = text_for("salt")
    shared.provider.scripts["salt"] = Script(text, gate=gate)
    page = context.new_page()
    ask(page, start("query", hub_url=proxy.url), "Query", "salt")
    gate.release(5)
    eventually(lambda: texts(page) == [text[:20]])

    proxy.cut()
    until(page, "The connection broke. Trying again…")
    proxy.mend()
    gate.open()
    until(page, "Done.")

    assert texts(page) == [text]
    assert len(shared.provider.requests) == 1


@pytest.mark.browser
def test_query_says_why_there_is_no_answer(
    start: Start, shared: Shared, context: BrowserContext
) -> None:
    refusal = {"error": {"message": "no such key"}}
    shared.provider.scripts["salt"] = Script(status=401, error=refusal)
    page = context.new_page()
    ask(page, start("query"), "Query", "salt")
    eventually(lambda: "no such key" in status(page))

    page.get_by_label("Query").fill(" ")
    page.get_by_role("button", name="Ask").click()
    eventually(lambda: "prompt" in status(page))


# ── agent: reasoning, and answer ─────────────────────────────────────────────────────────────


@pytest.mark.browser
def test_agent_shows_the_steps_of_the_reasoning_apart_from_the_answer(
    start: Start, shared: Shared, context: BrowserContext, gate: Gate
) -> None:
    def chunk(finish: str | None = None, **delta: str) -> dict[str, object]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {"id": "x", "object": "chat.completion.chunk", "created": 1, "choices": [choice]}

    thoughts = ["Is 2028", " a leap year?\n", "\nIt is divisible", " by <i>4</i>.\n\n", "So yes."]
    answer = ["There", " are\n", "366 <b>days</b>."]
    shared.provider.scripts["days"] = Script(
        chunks=[
            *(chunk(reasoning_content=piece) for piece in thoughts),
            *(chunk(content=piece) for piece in answer),
            chunk("stop"),
            "[DONE]",
        ],
        gate=gate,
    )
    steps = ["Is 2028 a leap year?", "It is divisible by <i>4</i>.", "So yes."]
    page = context.new_page()
    ask(page, start("agent"), "Question", "days")
    gate.release(4)
    eventually(lambda: page.locator("#steps li").all_text_contents() == steps[:2])
    assert (status(page), texts(page)) == ("Thinking…", [""])

    late = context.new_page()
    late.goto(page.url)
    eventually(lambda: late.locator("#steps li").all_text_contents() == steps[:2])
    gate.release(2)
    eventually(lambda: texts(late) == ["There"])
    gate.open()

    for tab in (page, late):
        until(tab, "Done.")
        assert tab.locator("#steps li").all_text_contents() == steps
        assert texts(tab) == ["".join(answer)]


@pytest.mark.browser
def test_agent_says_when_there_are_no_steps(
    start: Start, shared: Shared, context: BrowserContext
) -> None:
    page = context.new_page()
    ask(page, start("agent"), "Question", "days")

    until(page, "Done. This model tells no reasoning.")

    assert texts(page) == [text_for("days")]


# ── curl ─────────────────────────────────────────────────────────────────────────────────────


def test_curl_prints_the_answer_as_data_lines(shared: Shared) -> None:
    question = 'What does "\\n" mean?'
    shared.provider.scripts[question] = Script(deltas=PARAGRAPHS)
    command = commands()["curl"].rpartition(' "')[0]
    done = subprocess.run(
        [*command.split(), question],
        env={**clean_environ(), "HUB_URL": shared.hub.url},
        cwd=ROOT,
        capture_output=True,
        timeout=20 * patience(),
    )
    assert done.returncode == 0, done.stderr

    data = [event.data for event in sse.Parser().feed(done.stdout)]

    assert "".join(data) == "".join(PARAGRAPHS)
    assert b"\ndata: " in done.stdout
