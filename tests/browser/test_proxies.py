"""The four proxies of docs/proxies.md in front, at `/` and at `/hub/` (`fronts.py`)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import urllib3
from playwright.sync_api import Browser, BrowserContext

from tests.browser.fronts import IDLE_SECONDS, KINDS, PREFIXES, Front, Kind
from tests.browser.watching import Watcher
from tests.support import keys
from tests.support.deadline import eventually
from tests.support.shared import Shared, shared_stack
from tests.support.stream import EventStream

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Unverified HTTPS request"),
]

TABS = 10
PICTURE_BYTES = 3 * 2**20
NEVER = {"heartbeat": 60}
"""For a stream on which nothing comes but what is published."""


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    with shared_stack({"HUB_TRUSTED_PROXIES": "127.0.0.1", "HUB_HEARTBEAT_SECONDS": "1"}) as made:
        yield made


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.program)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture(scope="module", params=PREFIXES, ids=lambda prefix: prefix or "root")
def front(
    request: pytest.FixtureRequest,
    kind: Kind,
    shared: Shared,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Front]:
    front = Front(kind, shared.hub, request.param, tmp_path_factory.mktemp(kind.program))
    try:
        yield front.start()
    finally:
        front.end()


@pytest.fixture(scope="module")
def impatient(
    shared: Shared, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[Kind, Front]]:
    """One of each kind, all at once: with them a test waits."""
    fronts = {
        kind: Front(kind, shared.hub, "", tmp_path_factory.mktemp(kind.program), patient=False)
        for kind in KINDS
    }
    try:
        for front in fronts.values():
            front.start()
        yield fronts
    finally:
        for front in fronts.values():
            front.end()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(ignore_https_errors=True)
    context.add_cookies(keys.cookies())
    yield context
    context.close()


def test_every_address_that_the_hub_writes_leads_back_through_the_proxy(front: Front) -> None:
    origin, prefix = front.origin, front.prefix
    made = front.post("/generations", json={"prompt": "Why?"})
    assert made.status_code == 202
    body = made.json()
    assert made.headers["Location"] == f"{prefix}/generations/{body['id']}"
    assert body["events"] == f"{prefix}/generations/{body['id']}/events"
    assert body["page"] == f"{prefix}/g/{body['id']}"
    assert front.at(made.headers["Location"]).json()["page"] == body["page"]
    with EventStream(origin + body["events"]) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.next("completed")
    shared_link = front.post(f"/generations/{body['id']}/share").json()["url"]
    assert shared_link.startswith(f"{front.url}/g/{body['id']}")
    page = front.at(shared_link.removeprefix(origin))
    assert page.status_code == 200
    assert page.headers["Strict-Transport-Security"]
    links = re.findall(r'(?:href|src)="(/[^"]*)"', page.text)
    assert any(".js" in link for link in links)
    for link in sorted(set(links)):
        assert link.startswith(f"{prefix}/"), link
        assert front.at(link).status_code == 200


def test_a_stream_that_begins_with_much_is_not_held_back(
    front: Front, shared: Shared, listen: Callable[..., EventStream]
) -> None:
    """A compressor may begin only where the first piece is large, and keep what it has."""
    channel = f"much-{front.kind.program}{front.prefix.replace('/', '-')}"
    shared.hub.publish(channel, {"text": "x" * 5000})
    stream = listen(
        f"{front.url}/channels/{channel}/events",
        query={**NEVER, "from": "start"},
        headers={"Accept-Encoding": "gzip, br"},
    )
    stream.next("message", within_seconds=3)
    assert "content-encoding" not in stream.headers


def test_what_is_no_stream_may_be_compressed(front: Front) -> None:
    answer = front.at(f"{front.prefix}/openapi.json")  # requests takes gzip
    assert answer.json()["openapi"]
    if front.kind.program in ("caddy", "haproxy"):  # the others' lines turn it off for the hub
        assert answer.headers["Content-Encoding"] == "gzip"


WITHOUT_ITS_LINE = {
    "nginx": {"gzip off;": ""},
    "apache2": {"SetEnv no-gzip 1": ""},
    "caddy": {KINDS[3].lines("").partition("reverse_proxy")[0]: "encode gzip\n"},
}


@pytest.mark.parametrize("kind", [k for k in KINDS if k.program in WITHOUT_ITS_LINE], indirect=True)
def test_without_the_line_of_the_page_a_stream_is_compressed(
    kind: Kind, shared: Shared, tmp_path: Path, listen: Callable[..., EventStream]
) -> None:
    """So the others show that the line is what keeps the compressor away. HAProxy needs none: it
    compresses what is beside a stream, and leaves alone what is `no-transform`."""
    channel = f"squeezed-{kind.program}"
    shared.hub.publish(channel, {"text": "x" * 5000})
    front = Front(kind, shared.hub, "", tmp_path, wrong=WITHOUT_ITS_LINE[kind.program])
    try:
        front.start()
        query = {**NEVER, "from": "start"}
        url, takes_gzip = f"{front.url}/channels/{channel}/events", {"Accept-Encoding": "gzip"}
        assert listen(url, query=query, headers=takes_gzip).headers["content-encoding"] == "gzip"
    finally:
        front.end()


GATHERING = {
    "nginx": {"proxy_buffering off;": "proxy_ignore_headers X-Accel-Buffering;"},
    "haproxy": {"option http-no-delay": "http-response wait-for-body time 30s"},
}


@pytest.mark.parametrize("kind", [k for k in KINDS if k.program in GATHERING], indirect=True)
def test_a_front_that_is_told_to_gather_holds_a_stream_back(
    kind: Kind, shared: Shared, tmp_path: Path
) -> None:
    """So the others show that the page's lines do not."""
    channel = f"gathered-{kind.program}"
    shared.hub.publish(channel, "news")
    front = Front(kind, shared.hub, "", tmp_path, wrong=GATHERING[kind.program])
    query = {**NEVER, "from": "start"}
    try:
        front.start()
        url = f"{front.url}/channels/{channel}/events"
        with (
            pytest.raises((TimeoutError, AssertionError), match=r"not within|timed out"),
            EventStream(url, query=query, timeout=1.5) as stream,
        ):
            stream.next("message")
    finally:
        front.end()


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout=3600": "timeout=3600 flushpackets=off"},
        {"SetEnv no-gzip 1": "SetEnv no-gzip 1\nSetOutputFilter BUFFER"},
    ],
    ids=["flushpackets=off", "mod_buffer"],
)
def test_apache_passes_a_stream_on_whatever_it_is_told_of_buffers(
    shared: Shared, tmp_path: Path, wrong: dict[str, str], listen: Callable[..., EventStream]
) -> None:
    """It flushes where its reading would wait: so the page names no line against that."""
    channel = f"flushed-{len(str(wrong))}"
    shared.hub.publish(channel, "news")
    front = Front(KINDS[1], shared.hub, "", tmp_path, wrong=wrong)
    query = {**NEVER, "from": "start"}
    try:
        front.start()
        stream = listen(f"{front.url}/channels/{channel}/events", query=query)
        stream.next("message", within_seconds=3)
        shared.hub.publish(channel, "more")
        assert stream.next("message", within_seconds=3).data == "more"
    finally:
        front.end()


def test_an_event_arrives_at_once_and_a_listener_resumes_where_it_was(
    front: Front, shared: Shared, listen: Callable[..., EventStream]
) -> None:
    channel = f"at-once-{front.kind.program}{front.prefix.replace('/', '-')}"
    asked = {"Accept-Encoding": "gzip, br", "TE": "trailers"}
    stream = listen(f"{front.url}/channels/{channel}/events", query=NEVER, headers=asked)
    stream.next("subscribed")
    assert "content-encoding" not in stream.headers
    for number in range(3):
        shared.hub.publish(channel, {"number": number})
        assert json.loads(stream.next("message", within_seconds=3).data) == {"number": number}
    stream.close()
    shared.hub.publish(channel, {"number": 3})
    returned = stream.returned()
    assert returned.verdict(channel)["recovered"] is True
    assert json.loads(returned.next("message", within_seconds=3).data) == {"number": 3}
    returned.close()


def test_heartbeats_keep_a_silent_stream_open_beyond_each_proxys_patience(
    impatient: Mapping[Kind, Front], listen: Callable[..., EventStream]
) -> None:
    """The one without them is cut: so the proxy had no more patience than that."""
    urls = [f"{front.url}/channels/silent/events" for front in impatient.values()]
    with_them = [listen(url) for url in urls]
    for without in [listen(url, query=NEVER) for url in urls]:
        without.to_end(15)
    for stream in with_them:
        stream.until(lambda stream: len(stream.events) > IDLE_SECONDS + 2)


def test_a_question_with_a_large_picture_passes(front: Front, shared: Shared) -> None:
    picture = {"url": "data:image/png;base64," + "A" * PICTURE_BYTES}
    content = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": picture}]
    asked = front.post("/generations", json={"messages": [{"role": "user", "content": content}]})
    assert asked.status_code == 202, asked.text
    shared.hub.finished(asked.json()["id"])
    assert shared.provider.requests[-1]["messages"][-1]["content"] == content


def test_a_client_cannot_say_through_the_proxy_who_and_where_it_is(
    front: Front, shared: Shared
) -> None:
    """It comes from an address that is not a trusted proxy's."""
    forged = {
        "X-Forwarded-For": "9.9.9.9",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "for=9.9.9.9;host=evil.example",
    }
    channel = f"visited-{front.kind.program}{front.prefix.replace('/', '-')}"
    with urllib3.PoolManager(cert_reqs="CERT_NONE", source_address=("127.0.0.2", 0)) as pool:
        shown = {**forged, **keys.headers(forged)}
        made = pool.request("POST", f"{front.url}/generations", json={"prompt": "W"}, headers=shown)
        location = made.headers["Location"]
        assert location == f"{front.prefix}/generations/{made.json()['id']}"
        share = pool.request("POST", f"{front.origin}{location}/share", headers=shown)
        assert share.json()["url"].startswith(f"{front.url}/g/")
        stream = pool.request(
            "GET", f"{front.url}/channels/{channel}/events", headers=shown, preload_content=False
        )
        assert stream.status == 200
        eventually(lambda: f"channels={channel} address=127.0.0.2" in shared.hub.web.log())
        stream.close()


@pytest.mark.browser
def test_the_pages_work_there_in_a_browser(front: Front, context: BrowserContext) -> None:
    page = context.new_page()
    failed: list[str] = []
    page.on("response", lambda answer: failed.append(answer.url) if answer.status > 399 else None)
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.goto(f"{front.url}/")
    page.get_by_label("Your question").fill("Why?")
    page.keyboard.press("Enter")
    watcher = Watcher(page)
    eventually(lambda: watcher.status == "completed", 20)
    page.goto(f"{front.url}/g/{watcher.generation_id}")
    eventually(lambda: Watcher(page).status == "completed", 20)
    for name in ("Notifications", "Status", "Ask"):
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        page.get_by_role("heading", level=1).wait_for()
        assert urlsplit(page.url).path.startswith(f"{front.prefix}/")
    page.goto(f"{front.url}/notifications")
    page.get_by_label("Data").fill("hello")
    page.get_by_role("button", name="Push").click()
    page.locator("[data-events]").get_by_text("hello").first.wait_for(timeout=15_000)
    assert not failed


LISTEN = """channel => {
    window.heard = [];
    const source = new EventSource(`channels/${channel}/events`);
    source.onmessage = event => window.heard.push(event.data);
    return new Promise(resolve => { source.addEventListener("subscribed", resolve); })
        .then(() => performance.getEntriesByType("navigation")[0].nextHopProtocol);
}"""


@pytest.mark.browser
def test_ten_tabs_with_a_stream_each_hear_over_one_http_2_connection(
    kind: Kind, impatient: Mapping[Kind, Front], shared: Shared, context: BrowserContext
) -> None:
    """HTTP/1.1 would have room for six."""
    hear_over_http_2(impatient[kind], shared, context, f"tabs-{kind.program}")


def hear_over_http_2(front: Front, shared: Shared, context: BrowserContext, channel: str) -> None:
    pages = [context.new_page() for _ in range(TABS)]
    for page in pages:
        page.goto(f"{front.url}/healthz")
        assert page.evaluate(LISTEN, channel) == "h2"
    shared.hub.publish(channel, "to all")
    for page in pages:
        page.wait_for_function("window.heard.length === 1", timeout=10_000)
