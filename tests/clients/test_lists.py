"""A list of channels on one connection: the fields that only some read disturb nobody, and a native
EventSource learns the channels from the envelope."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import requests
import sseclient
from httpx_sse import connect_sse
from playwright.sync_api import Browser

from hub import sse
from tests.clients.client import ProgramClient
from tests.support import keys
from tests.support.deadline import eventually
from tests.support.shared import shared_stack
from tests.support.stack import Stack

Heard = list[tuple[str, str, str]]
EVENTS = 4
"""`subscribed`, and what was published."""


def by_httpx_sse(url: str) -> Iterator[tuple[str, str, str]]:
    with httpx.Client(timeout=10) as client, connect_sse(client, "GET", url) as source:
        for event in source.iter_sse():
            yield event.event, event.data, event.id


def by_sseclient(url: str) -> Iterator[tuple[str, str, str]]:
    with requests.get(url, stream=True, timeout=10) as answer:
        for event in sseclient.SSEClient(answer.iter_content(1)).events():
            yield event.event, event.data, event.id or ""


def by_our_parser(url: str) -> Iterator[tuple[str, str, str]]:
    parser = sse.Parser()
    with requests.get(url, stream=True, timeout=10) as answer:
        for data in answer.iter_content(1):
            for event in parser.feed(data):
                yield event.event, event.data, event.id


READERS: dict[str, Callable[[str], Iterator[tuple[str, str, str]]]] = {
    "httpx-sse": by_httpx_sse,
    "sseclient-py": by_sseclient,
    "hub.sse": by_our_parser,
}


@pytest.fixture(scope="module")
def hub() -> Iterator[Stack]:
    with shared_stack(workers=0) as shared:
        shared.hub.publish("a", {"n": 1}, "notice")
        shared.hub.publish("b", "two\nlines")
        shared.hub.publish("a", "last")
        yield shared.hub


def address(hub: Stack, envelope: int) -> str:
    query = f"channel=a&channel=b&from=start&heartbeat=300&envelope={envelope}"
    query += "".join(f"&{name}={value}" for name, value in keys.query().items())
    return f"{hub.url}/events?{query}"


def judge(heard: Heard, envelope: int) -> None:
    """Channels are replayed one after the other."""
    plain = [("a", "notice", '{"n":1}'), ("a", "message", "last"), ("b", "message", "two\nlines")]
    first, *others = heard
    assert first[0] == "subscribed" and first[2]
    assert len({event_id for *_, event_id in others}) == len(plain)
    if not envelope:
        assert [(kind, data) for kind, data, _ in others] == [one[1:] for one in plain]
        return
    assert {kind for kind, *_ in others} == {"message"}
    told: list[dict[str, Any]] = [json.loads(data) for _, data, _ in others]
    assert [(one["channel"], one["event"], one["data"]) for one in told] == plain


@pytest.mark.parametrize("envelope", [0, 1])
@pytest.mark.parametrize("reader", READERS)
def test_a_library_hears_each_event_once(hub: Stack, reader: str, envelope: int) -> None:
    heard: Heard = []
    for event in READERS[reader](address(hub, envelope)):
        heard.append(event)
        if len(heard) == EVENTS:
            break
    judge(heard, envelope)


@pytest.mark.parametrize("envelope", [0, 1])
def test_eventsource_in_node_hears_each_event_once(hub: Stack, envelope: int) -> None:
    client = ProgramClient("listed.mjs", address(hub, envelope))
    try:
        eventually(lambda: len(client.said) >= EVENTS, 20)
        judge([tuple(told["heard"]) for told in client.said], envelope)
    finally:
        client.close()


@pytest.mark.browser
@pytest.mark.parametrize("envelope", [0, 1])
def test_eventsource_in_a_browser_hears_each_event_once(
    hub: Stack, browser: Browser, envelope: int
) -> None:
    page = browser.new_page()
    try:
        page.goto(f"{hub.url}/healthz")
        heard = page.evaluate(
            """([url, count]) => new Promise(done => {
                const heard = [], source = new EventSource(url);
                for (const type of ["subscribed", "notice", "message"]) {
                    source.addEventListener(type, ({ data, lastEventId }) => {
                        heard.push([type, data, lastEventId]);
                        if (heard.length === count) { source.close(); done(heard); }
                    });
                }
            })""",
            [address(hub, envelope), EVENTS],
        )
        judge([tuple(one) for one in heard], envelope)
    finally:
        page.close()
