"""Every real client, as a process or in a real Chromium: the whole text, over a cut and past
heartbeats, to an end that it recognises. What is found here is the table of docs/clients.md."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlencode

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.proxy import Proxy
from tests.clients.client import PageClient, ProgramClient, node
from tests.clients.pages_server import PagesServer
from tests.clients.scenario import Scenario
from tests.clients.table import Row, Table, npm, pinned, pypi
from tests.support import keys
from tests.support.deadline import eventually
from tests.support.shared import Shared

EVENTS = "`GET …/events`"
_NO_LEADING_LINE_ENDS = "".join(f"{number:03}\n" for number in range(40))
"""The provider's deltas have four characters, so that each ends with the line."""


@pytest.fixture
def scenario(shared: Shared, proxy: Proxy, request: pytest.FixtureRequest) -> Scenario:
    return Scenario(shared, proxy, request.node.name)


def through(scenario: Scenario, client: ProgramClient | PageClient) -> str:
    """The whole story of a client that can resume; how it knew the end."""
    scenario.begin(client)
    scenario.cut()
    text = scenario.finish()
    end = scenario.ended(client)
    assert client.text == text
    return end


# ── in the browser ───────────────────────────────────────────────────────────────────────────


@pytest.mark.browser
@pytest.mark.parametrize(
    ("page", "name", "resumed"),
    [
        ("eventsource", "EventSource (Chromium)", "resumes by itself"),
        ("htmx", "htmx", "resumes by itself"),
        ("hubbub", "hubbub.js (ours)", "resumes by itself"),
    ],
)
def test_a_page_shows_the_whole_text_over_a_cut_and_comes_to_an_end(
    scenario: Scenario,
    pages: PagesServer,
    context: BrowserContext,
    table: Table,
    page: str,
    name: str,
    resumed: str,
) -> None:
    node()
    query = urlencode({"hub": scenario.proxy.url, "id": scenario.ask(), **keys.query()})
    with closing(PageClient(context.new_page(), f"{pages.origin}/{page}.html?{query}")) as client:
        end = through(scenario, client)
        assert client.shown == scenario.text
    if page == "htmx":
        name = f"{npm('htmx.org')} with {npm('htmx-ext-sse')}"
    table.add(Row(name, EVENTS, resumed, scenario.heartbeats, _words(end)))


@pytest.mark.browser
@pytest.mark.parametrize("format", ["text", "openai"])
def test_fetch_event_source_posts_its_question_and_resumes_by_its_key(
    shared: Shared,
    proxy: Proxy,
    pages: PagesServer,
    context: BrowserContext,
    table: Table,
    format: str,
) -> None:
    scenario = Scenario(shared, proxy, f"fetch-event-source {format}", _NO_LEADING_LINE_ENDS)
    with closing(_fetch_event_source(scenario, pages, context, format)) as client:
        end = through(scenario, client)
        assert client.page.evaluate("() => window.result.opened") >= 2
    asked = f"`POST /generations?format={format}`, `Authorization`"
    resumed = "resumes by itself, with an `Idempotency-Key`"
    name = npm("@microsoft/fetch-event-source")
    exact = "identical" if format == "openai" else "line ends in front of a block are lost"
    table.add(Row(name, asked, resumed, scenario.heartbeats, _words(end), exact))


@pytest.mark.browser
def test_fetch_event_source_drops_a_line_end_in_front_of_a_block(
    shared: Shared, proxy: Proxy, pages: PagesServer, context: BrowserContext
) -> None:
    """Its parser takes an empty first `data:` line for none. Where every line end counts, the
    format `openai` is the one to ask for."""
    found = {}
    for format in ("text", "openai"):
        scenario = Scenario(shared, proxy, f"line ends {format}", "one.\n\ntwo")
        with closing(_fetch_event_source(scenario, pages, context, format)) as client:
            scenario.finish_unseen()
            scenario.ended(client)
            found[format] = client.text

    assert found["openai"] == "one.\n\ntwo"
    assert found["text"].replace("\n", "") == "one.two", "only line ends may be missing"


def _fetch_event_source(
    scenario: Scenario, pages: PagesServer, context: BrowserContext, format: str
) -> PageClient:
    node()
    asked = {"hub": scenario.proxy.url, "prompt": scenario.prompt, "format": format}
    query = urlencode({**asked, **keys.query()})
    return PageClient(context.new_page(), f"{pages.origin}/fetch_event_source.html?{query}")


# ── programs that watch ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("program", "asked", "resumed"),
    [
        ("eventsource.mjs", EVENTS, "resumes by itself"),
        ("httpx_sse_client.py", EVENTS, "resumes with `Last-Event-ID`"),
        ("sseclient_py_client.py", f"{EVENTS[:-1]}?format=openai`", "resumes with `Last-Event-ID`"),
        ("curl_client.py", f"{EVENTS[:-1]}?format=text`", "resumes with `Last-Event-ID`"),
        ("requests_sse_client.py", EVENTS, "resumes by itself"),
        ("aiosseclient_client.py", EVENTS, "resumes with `Last-Event-ID`"),
    ],
)
def test_a_program_gets_the_whole_text_over_a_cut_and_comes_to_an_end(
    scenario: Scenario, table: Table, program: str, asked: str, resumed: str
) -> None:
    with closing(ProgramClient(program, scenario.proxy.url, scenario.ask())) as client:
        end = through(scenario, client)
        assert client.exit_code() == 0
    name = {
        "eventsource.mjs": npm("eventsource"),
        "httpx_sse_client.py": pypi("httpx-sse"),
        "sseclient_py_client.py": pypi("sseclient-py"),
        "curl_client.py": "curl",
        "requests_sse_client.py": pinned("requests-sse"),
        "aiosseclient_client.py": pinned("aiosseclient"),
    }[program]
    table.add(Row(name, asked, resumed, scenario.heartbeats, _words(end)))


def test_hub_subscribe_gets_the_whole_text_over_a_cut_and_comes_to_an_end(
    scenario: Scenario, shared: Shared, table: Table
) -> None:
    arguments = (shared.valkey.url, scenario.ask())
    with closing(ProgramClient("hub_subscribe.py", *arguments)) as client:
        scenario.begin(client)
        with shared.valkey.client() as redis:
            redis.client_kill_filter(_type="pubsub")
        text = scenario.finish()
        end = eventually(lambda: client.end, 20)
        assert client.exit_code() == 0
        assert client.text == text
    asked = "the channel, on Redis"
    table.add(Row("`hub.subscribe` (ours)", asked, "resumes by itself", scenario.heartbeats, end))


# ── the official packages ────────────────────────────────────────────────────────────────────

PACKAGES = {"openai_python.py": pypi("openai"), "openai_node.mjs": npm("openai")}
LANGUAGES = {"openai_python.py": "Python", "openai_node.mjs": "Node"}


def package(program: str) -> str:
    return f"{PACKAGES[program]} ({LANGUAGES[program]})"


@pytest.fixture(params=list(PACKAGES))
def program(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


def test_a_chat_stream_is_whole_and_a_cut_is_no_silent_end(
    scenario: Scenario, program: str, table: Table
) -> None:
    with closing(ProgramClient(program, scenario.proxy.url, scenario.prompt, "chat")) as client:
        scenario.begin(client)
        text = scenario.finish()
        end = scenario.ended(client)
        assert client.exit_code() == 0
        assert client.text == text

    again = Scenario(scenario.shared, scenario.proxy, f"{scenario.prompt} again")
    with closing(ProgramClient(program, again.proxy.url, again.prompt, "chat")) as client:
        again.begin(client)
        again.cut()
        text = again.finish()
        assert client.exit_code() == 0
        assert client.error
        assert client.end == ""
        assert text.startswith(client.text)
    asked = "`chat.completions`, stream"
    resumed = "raises; the text is in `GET /generations/{id}`"
    table.add(Row(package(program), asked, resumed, scenario.heartbeats, _words(end)))


def test_a_chat_completion_without_a_stream_is_whole(
    scenario: Scenario, program: str, table: Table
) -> None:
    with closing(ProgramClient(program, scenario.proxy.url, scenario.prompt, "whole")) as client:
        text = scenario.finish_unseen()
        assert client.exit_code() == 0
        assert client.text == text
        end = client.end
    table.add(Row(package(program), "`chat.completions`", "—", 0, _words(end)))


def test_a_background_response_resumes_after_its_last_event(
    scenario: Scenario, program: str, table: Table
) -> None:
    arguments = (scenario.proxy.url, scenario.prompt, "responses")
    with closing(ProgramClient(program, *arguments)) as client:
        end = through(scenario, client)
        assert client.exit_code() == 0
    asked = "`responses`, background, stream"
    resumed = "resumes with `starting_after`"
    table.add(Row(package(program), asked, resumed, scenario.heartbeats, _words(end)))


def test_a_background_response_can_be_cancelled(scenario: Scenario, program: str) -> None:
    arguments = (scenario.proxy.url, scenario.prompt, "cancel")
    with closing(ProgramClient(program, *arguments)) as client:
        scenario.begin_unseen()
        assert client.exit_code() == 0
        assert client.end == "cancelled"
        assert client.text
        assert scenario.text.startswith(client.text)
    assert scenario.hub.finished(scenario.asked())["status"] == "cancelled"


ALL = 18


# ── what was found ───────────────────────────────────────────────────────────────────────────


def test_the_table_in_the_documentation_says_what_was_found(table: Table) -> None:
    """`WRITE_CLIENTS_TABLE=1` writes it anew."""
    if os.environ.get("WRITE_CLIENTS_TABLE"):
        table.write()
    written = table.written()

    assert table.rows, "run the other tests of this file with it"
    for row in table.rows.values():
        assert row.line() in written, f"docs/clients.md is out of date about {row.client}"
    if len(table.rows) == ALL:
        assert written == table.text()


def _words(end: str) -> str:
    """The program's own word for the end, as the table has it."""
    return {
        "204": "the answer 204",
        "[DONE]": "`[DONE]`",
        "sse-close": '`sse-close="completed"`',
        "onclose": "`onclose`",
        "completed": "the event `completed`",
        "response.completed": "`response.completed`",
    }.get(end, end)
