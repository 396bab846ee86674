"""What pages of somebody else's can do to an open hub on this machine: nothing (contract §7).

The pages are real ones, in a real Chromium, so it is the browser that says where they come from.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.conftest import StartStack
from tests.support.real import CHROMIUM_FLAGS, chromium
from tests.support.shared import shared_stack
from tests.support.stack import Stack

pytestmark = pytest.mark.browser

REBOUND = "rebound.example"

ATTEMPTS = {
    "fetch without asking": """hub => fetch(`${hub}/channels/news/events`, {
        method: "POST", mode: "no-cors", headers: {"Content-Type": "text/plain"},
        body: "hello"})""",
    "a question to the model": """hub => fetch(`${hub}/v1/chat/completions`, {
        method: "POST", mode: "no-cors",
        body: JSON.stringify({messages: [{role: "user", content: "Hi"}]})})""",
    "a body without a type": """hub => fetch(`${hub}/generations`, {
        method: "POST", mode: "no-cors", body: new TextEncoder().encode('{"prompt":"Hi"}')})""",
    "a beacon": """hub => navigator.sendBeacon(`${hub}/channels/news/events`, "hello")""",
    "a form": """hub => {
        const form = document.createElement("form");
        Object.assign(form, {method: "post", action: `${hub}/channels/news/events`,
                             enctype: "text/plain", target: "frame"});
        const field = document.createElement("input");
        Object.assign(field, {name: "hello", value: "there"});
        const frame = Object.assign(document.createElement("iframe"), {name: "frame"});
        form.append(field);
        document.body.append(frame, form);
        form.submit();
    }""",
}


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A page</title><body>")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Another origin, and another site, too: `localhost` where the hub is 127.0.0.1."""
    server = HTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def hub() -> Iterator[Stack]:
    with shared_stack(workers=0) as shared:
        yield shared.hub


@pytest.fixture
def other_context(browser: Browser) -> Iterator[BrowserContext]:
    """Without the check for errors in the console: a page that is refused has some."""
    context = browser.new_context()
    yield context
    context.close()


def visit(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url)
    return page


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_page_of_another_origin_neither_publishes_nor_asks(
    attempt: str, hub: Stack, elsewhere: str, other_context: BrowserContext
) -> None:
    page = visit(other_context, elsewhere)
    with page.expect_response(lambda answer: answer.request.method == "POST") as refused:
        page.evaluate(ATTEMPTS[attempt], hub.url)
    assert refused.value.status == 403
    assert hub.get("/channels/news").json()["retained"] == 0
    assert hub.get("/generations").json()["generations"] == []


def test_a_form_in_a_sandbox_whose_origin_is_null_does_not_publish(
    hub: Stack, elsewhere: str, other_context: BrowserContext
) -> None:
    page = visit(other_context, elsewhere)
    page.evaluate(
        """hub => {
            const frame = document.createElement("iframe");
            frame.setAttribute("sandbox", "allow-forms");
            frame.srcdoc = `<form method=post enctype=text/plain
                action="${hub}/channels/news/events"><input name=a value=b><button>Go</button>`;
            document.body.append(frame);
        }""",
        hub.url,
    )
    # The frame has a process of its own, whose answers are seen once it has been spoken to.
    button = page.frame_locator("iframe").get_by_role("button")
    button.wait_for()
    with page.expect_response(lambda answer: answer.request.method == "POST") as refused:
        button.click()
    assert refused.value.status == 403
    assert hub.get("/channels/news").json()["retained"] == 0


def test_a_page_of_another_origin_reads_no_stream(
    hub: Stack, elsewhere: str, other_context: BrowserContext
) -> None:
    page = visit(other_context, elsewhere)
    told = page.evaluate(
        """url => new Promise(done => {
            const source = new EventSource(url);
            source.onopen = () => done("open");
            source.onerror = () => done("error");
        })""",
        f"{hub.url}/channels/news/events",
    )
    assert told == "error"


@pytest.mark.sets_keys  # a page of another site has no cookie of a hub's with keys
def test_a_page_that_the_operator_named_reads_publishes_and_asks(
    stack: StartStack, elsewhere: str, other_context: BrowserContext
) -> None:
    hub = stack({"HUB_CORS_ORIGINS": elsewhere.rstrip("/")}, workers=0)
    page = visit(other_context, elsewhere)
    told = page.evaluate(
        """async hub => {
            const source = new EventSource(`${hub}/channels/news/events`, {withCredentials: true});
            await new Promise(open => source.addEventListener("subscribed", open));
            const heard = new Promise(hear => { source.onmessage = event => hear(event.data); });
            const answer = await fetch(`${hub}/channels/news/events`, {
                method: "POST", credentials: "include", body: JSON.stringify({data: "hello"}),
                headers: {"Content-Type": "application/json", "Idempotency-Key": "k"}});
            const asked = await fetch(`${hub}/generations`, {
                method: "POST", body: JSON.stringify({prompt: "Hi"}),
                headers: {"Content-Type": "application/json"}});
            return [answer.status, await heard, asked.status, asked.headers.get("Location")];
        }""",
        hub.url,
    )
    assert told[:3] == [201, "hello", 202]
    assert told[3].startswith("/generations/")


@pytest.mark.sets_keys  # only an open hub asks for its name
def test_a_name_that_was_rebound_to_this_machine_opens_nothing(
    hub: Stack, browser: Browser
) -> None:
    """Its page is the hub's own origin to the browser; that it calls the hub by a name of
    somebody else's is all that gives it away."""
    rule = f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1"
    rebound = browser.browser_type.launch(executable_path=chromium(), args=[*CHROMIUM_FLAGS, rule])
    try:
        page = rebound.new_page()
        answer = page.goto(f"http://{REBOUND}:{urlsplit(hub.url).port}/")
        assert answer is not None and answer.status == 421
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        statuses = page.evaluate(
            """async () => {
                const ask = (path, options) => fetch(path, options).then(answer => answer.status);
                const body = JSON.stringify({data: "hello"});
                const headers = {"Content-Type": "application/json"};
                return [
                    await ask("/channels/news/events", {method: "POST", headers, body}),
                    await ask("/channels/news/events"),
                    await ask("/generations"),
                    await ask("/healthz", {headers: {"X-Forwarded-Host": "localhost"}}),
                ];
            }"""
        )
        assert statuses == [421, 421, 421, 421]
    finally:
        rebound.close()
