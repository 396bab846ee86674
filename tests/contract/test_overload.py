"""Contract §2: past the listener limit; pages of other origins."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.contract.conftest import ORIGIN, RETRY_MS
from tests.support import keys
from tests.support.deadline import eventually
from tests.support.stack import Web
from tests.support.stream import EventStream

Listen = Callable[..., EventStream]
PER_ADDRESS = 2


class From:
    """A listener from another loopback address than the tests' own."""

    def __init__(self, address: str, url: str) -> None:
        host, _, path = url.removeprefix("http://").partition("/")
        self._connection = http.client.HTTPConnection(host, timeout=10, source_address=(address, 0))
        self._connection.request("GET", f"/{path}", headers=keys.headers({}, f"/{path}"))
        self._answer = self._connection.getresponse()

    def first_event(self) -> str:
        while line := self._answer.readline().decode():
            if line.startswith("event: "):
                return line.removeprefix("event: ").strip()
        raise AssertionError(f"the answer ended without an event: {self._answer.status}")

    def close(self) -> None:
        self._answer.close()
        self._connection.close()


class Door:
    """The way in to a hub that has room for four listeners, two of each address."""

    def __init__(self, hub: Web, channel: str) -> None:
        self.hub, self.channel = hub, channel
        self.url = f"{hub.url}/channels/{channel}/events"
        self._inside: list[EventStream | From] = []

    def knock(self) -> EventStream:
        self._inside.append(stream := EventStream(self.url))
        return stream

    def knock_from(self, address: str) -> From:
        self._inside.append(listener := From(address, self.url))
        return listener

    def fill(self) -> None:
        """Let in as many as there is room for from here."""
        for _ in range(PER_ADDRESS):
            assert self.knock().next().event == "subscribed"

    def clear(self) -> None:
        """All leave. On the portable way that shows when something is written to them."""
        for listener in self._inside:
            listener.close()
        eventually(self._nobody, 5)

    def _nobody(self) -> bool:
        self.hub.publish(self.channel, "is anybody there?")
        return bool(self.hub.get(f"/channels/{self.channel}").json()["listeners"] == 0)


@pytest.fixture
def door(narrow: Web, channel: str) -> Iterator[Door]:
    door = Door(narrow, channel)
    yield door
    door.clear()


def test_past_the_limit_of_an_address_a_stream_is_answered_200_retry_closing_and_ends(
    door: Door,
) -> None:
    door.fill()
    refused = door.knock()
    assert refused.status == 200
    assert refused.headers["content-type"] == "text/event-stream; charset=utf-8"
    [closing] = refused.to_end(within_seconds=5)
    assert closing.event == "closing"
    assert json.loads(closing.data) == {"reason": "overloaded", "reconnect": True}
    assert closing.retry_ms is not None
    assert RETRY_MS / 4 < closing.retry_ms < RETRY_MS * 4
    assert closing.id == ""


def test_who_is_to_see_none_of_the_hub_s_events_is_told_to_come_back_by_retry_alone(
    door: Door,
) -> None:
    door.fill()
    quiet = requests.get(f"{door.url}?quiet=1", timeout=10)
    assert re.fullmatch(r"retry: \d+\n", quiet.text)
    asked = door.hub.post("/generations", json={"prompt": "?"}).json()
    url = f"{door.hub.url}{asked['events']}?format=text"
    with requests.get(url, timeout=10, stream=True) as answer:
        assert answer.status_code == 200
        said = answer.raw.readline()
        with pytest.raises(requests.exceptions.ChunkedEncodingError):  # no end of a whole answer
            said += answer.content
    assert re.fullmatch(rb"retry: \d+\n", said)


def test_each_is_told_another_time_to_come_back(door: Door) -> None:
    door.fill()
    assert len({door.knock().to_end()[0].retry_ms for _ in range(10)}) > 5


def test_another_address_still_gets_in_until_the_process_is_full(door: Door) -> None:
    door.fill()
    others = [door.knock_from(f"127.0.0.{n}") for n in (2, 3, 4)]
    assert [other.first_event() for other in others] == ["subscribed", "subscribed", "closing"]


def test_whoever_asks_for_it_is_answered_503_with_retry_after(door: Door) -> None:
    door.fill()
    answer = requests.get(f"{door.url}?overload=503", timeout=10)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json()["code"] == "overloaded"


def test_a_place_that_is_left_is_free_again(door: Door) -> None:
    door.fill()
    door.clear()
    door.fill()


def test_head_is_answered_though_all_places_are_taken(door: Door) -> None:
    door.fill()
    assert requests.head(door.url, timeout=10).status_code == 200


def test_a_storm_does_not_get_past_the_limit(door: Door) -> None:
    with ThreadPoolExecutor(16) as pool:
        streams = list(pool.map(lambda _: door.knock(), range(16)))
    said = [stream.next().event for stream in streams]
    assert said.count("subscribed") == PER_ADDRESS
    assert said.count("closing") == 16 - PER_ADDRESS


# ── other origins ────────────────────────────────────────────────────────────────────────────


def preflight(hub: Web, path: str, origin: str) -> requests.Response:
    return requests.options(
        hub.url + path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "Last-Event-ID, Authorization",
        },
        timeout=10,
    )


@pytest.mark.parametrize("path", ["/channels/a/events", "/events?channel=a", "/channels/a"])
def test_options_answers_an_allowed_origin_with_credentials(hub: Web, path: str) -> None:
    answer = preflight(hub, path, ORIGIN)
    assert answer.status_code in (200, 204)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    allowed = {name.strip() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}
    assert allowed >= {"Last-Event-ID", "Authorization", "Content-Type", "Idempotency-Key"}
    methods = {name.strip() for name in answer.headers["Access-Control-Allow-Methods"].split(",")}
    assert methods >= {"GET", "POST", "DELETE"}
    assert "Origin" in answer.headers["Vary"]


def test_options_opens_nothing_to_another_origin(hub: Web) -> None:
    for origin in ("https://evil.example", "null", f"{ORIGIN}.evil.example", "http://app.example"):
        answer = preflight(hub, "/channels/a/events", origin)
        assert not [name for name in answer.headers if name.startswith("Access-Control-Allow")]


def test_answers_to_an_allowed_origin_expose_what_scripts_need(
    hub: Web, channel: str, listen: Listen
) -> None:
    stream = listen(f"{hub.url}/channels/{channel}/events", headers={"Origin": ORIGIN})
    posted = hub.post(f"/channels/{channel}/events", json={"data": 1}, headers={"Origin": ORIGIN})
    wrong = hub.get(f"/channels/{channel}/events?heartbeat=x", headers={"Origin": ORIGIN})
    assert (posted.status_code, wrong.status_code) == (201, 400)
    for headers in (stream.headers, posted.headers, wrong.headers):
        found = {name.lower(): value for name, value in headers.items()}
        assert found["access-control-allow-origin"] == ORIGIN
        assert found["access-control-allow-credentials"] == "true"
        exposed = {name.strip() for name in found["access-control-expose-headers"].split(",")}
        assert exposed >= {"Location", "Hubbub-Generation", "Retry-After"}
    stream.next("subscribed")
    assert stream.take(1)[0].data == "1"


def test_a_stream_to_another_origin_has_no_leave_to_be_read(
    hub: Web, channel: str, listen: Listen
) -> None:
    url = f"{hub.url}/channels/{channel}/events"
    stream = listen(url, headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in stream.headers
