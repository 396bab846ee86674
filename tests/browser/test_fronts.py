"""What takes longer through the four proxies of docs/proxies.md (`make test-fronts`): 75 seconds of
silence, ten tabs under a prefix, and a session over TLS. The rest is in `test_proxies.py`."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.access.signing import SECRET
from tests.browser.fronts import KINDS, PREFIXES, Front
from tests.browser.test_proxies import context, hear_over_http_2, shared
from tests.browser.test_session import PATIENCE_MS, ann, sign_in
from tests.browser.watching import Watcher
from tests.conftest import StartStack
from tests.support.deadline import eventually
from tests.support.process import Process
from tests.support.provider import Script, ScriptedProvider
from tests.support.shared import Shared
from tests.support.stream import EventStream

__all__ = ["context", "shared"]

pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")

SILENCE_SECONDS = 75


@pytest.fixture(scope="module")
def fronts(shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Front]]:
    """All four at both places, with the very lines of the page."""
    made = [
        Front(kind, shared.hub, prefix, tmp_path_factory.mktemp(kind.program))
        for kind, prefix in product(KINDS, PREFIXES)
    ]
    try:
        for front in made:
            front.start()
        yield made
    finally:
        for front in made:
            front.end()


def test_a_stream_on_which_nothing_comes_for_75_seconds_hears_the_next_event_at_once(
    fronts: list[Front], shared: Shared, listen: Callable[..., EventStream]
) -> None:
    """Not even a heartbeat: nginx, Apache and HAProxy would cut it after 60 s or less by
    themselves. And one with the heartbeats that there are unless a client asks for others."""
    silent = [
        listen(f"{front.url}/channels/silent/events", query={"heartbeat": 300}) for front in fronts
    ]
    beating = [
        listen(f"{front.url}/channels/silent/events", query={"heartbeat": 15}) for front in fronts
    ]
    for stream in (*silent, *beating):
        stream.next("subscribed")
    # The first beat of a listener comes anywhere within its 300 s, so within one silence or the
    # other each stream has none.
    beats = []
    for _ in range(2):
        time.sleep(SILENCE_SECONDS)  # it is what is tested
        beats.append([_beat_came(stream) for stream in silent])
    assert not any(map(all, zip(*beats, strict=True)))
    shared.hub.publish("silent", "at last")
    for stream in (*silent, *beating):
        assert stream.next("message", within_seconds=3).data == "at last"
    for stream in beating:
        assert sum(event.event == "heartbeat" for event in stream.events) >= 8


def _beat_came(stream: EventStream) -> bool:
    readable = bool(select.select([stream.socket], [], [], 0)[0])
    if readable:
        stream.next("heartbeat")
    return readable


@pytest.mark.browser
@pytest.mark.parametrize("number", range(len(KINDS) * len(PREFIXES)))
def test_ten_tabs_with_a_stream_each_hear_over_one_http_2_connection(
    number: int, fronts: list[Front], shared: Shared, context: object
) -> None:
    hear_over_http_2(fronts[number], shared, context, f"tabs-{number}")  # type: ignore[arg-type]


@pytest.mark.sets_keys
def test_behind_tls_a_session_s_cookie_is_this_host_s_alone(
    stack: StartStack,
    provider: ScriptedProvider,
    browser: Browser,
    processes: list[Process],
    tmp_path: Path,
) -> None:
    provider.scripts["hello"] = Script("the answer")
    hub = stack({"HUB_JWT_SECRET": SECRET, "HUB_TRUSTED_PROXIES": "127.0.0.1"})
    for kind, prefix in product(KINDS, PREFIXES):
        place = tmp_path / f"{kind.program}{prefix.replace('/', '-')}"
        place.mkdir()
        front = Front(kind, hub, prefix, place)
        processes.append(front)
        front.start()
        with browser.new_context(ignore_https_errors=True) as profile:
            use_a_session(profile, f"{front.url}/")


def use_a_session(context: BrowserContext, url: str) -> None:
    page = context.new_page()
    page.goto(url)
    sign_in(page, ann())
    expect(page.locator("[data-who-name]")).to_have_text("ann", timeout=PATIENCE_MS)
    (cookie,) = context.cookies()
    assert cookie["name"] == "__Host-hubbub_token"
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Lax")
    assert (cookie["path"], cookie["domain"]) == ("/", "127.0.0.1")
    page.reload()
    expect(page.locator("[data-who-name]")).to_have_text("ann", timeout=PATIENCE_MS)
    page.get_by_label("Your question").fill("hello")
    page.keyboard.press("Enter")
    watcher = Watcher(page)
    eventually(lambda: watcher.text() == "the answer", 20)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("dialog")).to_be_visible(timeout=PATIENCE_MS)
    assert context.cookies() == []
