"""Contract §3: history, information, deletion, and the names that are reserved; §1: errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import requests

from tests.support.deadline import eventually
from tests.support.stack import Web
from tests.support.stream import EventStream

Listen = Callable[..., EventStream]


def test_information_about_a_channel(hub: Web, channel: str, listen: Listen) -> None:
    empty = {"channel": channel, "listeners": 0, "retained": 0}
    empty |= {"last_event_id": None, "oldest_event_id": None}
    assert hub.get(f"/channels/{channel}").json() == empty
    ids = [hub.publish(channel, n) for n in range(3)]
    listen(f"{hub.url}/channels/{channel}/events").next("subscribed")
    assert hub.get(f"/channels/{channel}").json() == {
        "channel": channel,
        "listeners": 1,
        "last_event_id": ids[2],
        "oldest_event_id": ids[0],
        "retained": 3,
    }


def test_history_tells_id_type_data_and_time_of_each_event(hub: Web, channel: str) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    ids = [hub.publish(channel, "a\r\nb"), hub.publish(channel, {"x": 1}, event="notice")]
    answer = hub.get(f"/channels/{channel}/history")
    assert answer.headers["Content-Type"] == "application/json"
    found = answer.json()
    assert [(e["id"], e["event"], e["data"]) for e in found["events"]] == [
        (ids[0], "message", "a\nb"),
        (ids[1], "notice", '{"x":1}'),
    ]
    for event in found["events"]:
        assert set(event) == {"id", "event", "data", "time"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
        assert before < datetime.fromisoformat(event["time"]) < datetime.now(UTC)
    assert (found["complete"], found["next"]) == (True, None)


def test_history_is_read_on_with_next_until_there_is_none(hub: Web, channel: str) -> None:
    ids = [hub.publish(channel, n) for n in range(7)]
    after: str | None = ""
    pages: list[list[str]] = []
    while after is not None:
        page = hub.get(f"/channels/{channel}/history?limit=3&after={after}").json()
        assert page["complete"] is True
        pages.append([event["id"] for event in page["events"]])
        after = page["next"]
        assert after in (None, pages[-1][-1])
    assert pages == [ids[:3], ids[3:6], ids[6:]]


def test_a_big_history_is_read_on_too(hub: Web, channel: str) -> None:
    for _ in range(4):
        hub.publish(channel, "x" * 200_000)
    count = 0
    after: str | None = ""
    while after is not None:
        page = hub.get(f"/channels/{channel}/history?after={after}").json()
        count, after = count + len(page["events"]), page["next"]
    assert count == 4


def test_history_after_an_event_has_what_came_after_it(hub: Web, channel: str) -> None:
    ids = [hub.publish(channel, n) for n in range(3)]
    page = hub.get(f"/channels/{channel}/history?after={ids[1]}").json()
    assert ([event["id"] for event in page["events"]], page["complete"]) == ([ids[2]], True)
    page = hub.get(f"/channels/{channel}/history?after={ids[2]}").json()
    assert page == {"events": [], "complete": True, "next": None}


def test_history_is_not_complete_where_something_between_is_missing(
    short: Web, channel: str
) -> None:
    ids = [short.publish(channel, n) for n in range(6)]
    for after, complete in (("", False), (ids[0], False), (ids[2], True), ("nonsense", False)):
        page = short.get(f"/channels/{channel}/history?after={after}").json()
        assert [event["id"] for event in page["events"]] == ids[3:], after
        assert page["complete"] is complete, after


def test_history_is_complete_on_a_channel_that_never_had_an_event(hub: Web, channel: str) -> None:
    found = hub.get(f"/channels/{channel}/history").json()
    assert found == {"events": [], "complete": True, "next": None}


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "", "1e3"])
def test_a_limit_that_is_none_is_a_400(hub: Web, channel: str, limit: str) -> None:
    answer = hub.get(f"/channels/{channel}/history?limit={limit}")
    assert (answer.status_code, answer.json()["field"]) == (400, "limit")


def test_deletion_answers_204_forgets_the_history_and_ids_go_on_growing(
    hub: Web, channel: str
) -> None:
    old = hub.publish(channel, "old")
    answer = hub.delete(f"/channels/{channel}")
    assert (answer.status_code, answer.content) == (204, b"")
    found = hub.get(f"/channels/{channel}").json()
    assert (found["retained"], found["last_event_id"]) == (0, old)
    page = hub.get(f"/channels/{channel}/history?after={old}").json()
    assert page == {"events": [], "complete": True, "next": None}
    assert hub.get(f"/channels/{channel}/history").json()["complete"] is False
    new = hub.publish(channel, "new")
    assert _place(new) > _place(old)
    assert hub.delete(f"/channels/{channel}").status_code == 204
    assert hub.delete(f"/channels/{channel}").status_code == 204


def test_a_generation_s_channel_is_the_workers(hub: Web) -> None:
    url = "/channels/generation:abc"
    for answer in (hub.post(f"{url}/events", json={"data": 1}), hub.delete(url)):
        assert answer.status_code == 403
        assert answer.json()["code"] == "reserved-channel"
    assert hub.post("/channels/generations/events", json={"data": 1}).status_code == 201


NAMES = ["a", "A.b_c~d:e@f-g", "9", "x" * 128]
NO_NAMES = [
    *("x" * 129, ".a", "_a", "-a", "~a", ":a", "@a", "a b", "a%2Fb", "%C3%BC", "a%00", "a%0A"),
    *("a+b", "a%25", "%F0%9F%98%80", "a,b", "a*"),
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:20])
def test_a_channel_s_name_may_be(hub: Web, name: str) -> None:
    assert hub.post(f"/channels/{name}/events", json={"data": 1}).status_code == 201
    assert hub.get(f"/channels/{name}").json()["channel"] == name
    hub.delete(f"/channels/{name}")


@pytest.mark.parametrize("name", NO_NAMES, ids=lambda name: name[:20])
def test_a_channel_s_name_may_not_be(hub: Web, name: str) -> None:
    answers = [
        hub.get(f"/channels/{name}"),
        hub.get(f"/channels/{name}/events"),
        hub.get(f"/channels/{name}/history"),
        hub.get(f"/events?channel={name}"),
        hub.post(f"/channels/{name}/events", json={"data": 1}),
        hub.delete(f"/channels/{name}"),
    ]
    if name == "a%2Fb":  # a path of its own, which is nowhere
        assert {answer.status_code for answer in answers} == {400, 404}
        return
    for answer in answers:
        assert answer.status_code == 400, answer.url
        assert (answer.json()["code"], answer.json()["field"]) == ("invalid-channel", "channel")


def test_an_empty_name_is_no_other_channel(hub: Web) -> None:
    for answer in (
        hub.get("/channels//events", allow_redirects=False),
        hub.post("/channels//events", json={"data": 1}, allow_redirects=False),
    ):
        assert answer.status_code in (400, 404)


# ── errors ───────────────────────────────────────────────────────────────────────────────────


def test_an_error_is_a_problem_with_a_stable_code(hub: Web) -> None:
    answer = hub.get("/channels/a%20b")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert set(answer.json()) >= {"type", "title", "status", "detail", "code"}
    assert answer.json()["status"] == answer.status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("PUT", "/channels/a/events", 405), ("DELETE", "/events", 405)],
)
def test_what_is_nowhere_and_what_is_not_done_are_problems_too(
    hub: Web, method: str, path: str, status: int
) -> None:
    answer = hub.get(path) if method == "GET" else _request(hub, method, path)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert ("Allow" in answer.headers) == (status == 405)


def test_a_browser_navigation_gets_a_page(hub: Web) -> None:
    # What Chromium sends.
    accept = (
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,"
        "*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
    )
    for path, status in (("/nowhere", 404), ("/channels/a%20b/events", 400)):
        answer = hub.get(path, headers={"Accept": accept})
        assert answer.status_code == status
        assert answer.headers["Content-Type"].startswith("text/html")
        assert "<h1" in answer.text


def test_a_page_about_an_error_shows_what_was_asked_for_as_text(hub: Web) -> None:
    query = "from=%3Cscript%3Ealert(1)%3C/script%3E"
    answer = hub.get(f"/channels/a/events?{query}", headers={"Accept": "text/html"})
    assert answer.status_code == 400
    assert "<script>alert" not in answer.text


def test_under_v1_errors_take_openai_s_shape(hub: Web) -> None:
    answer = hub.get("/v1/nowhere")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/json"
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_json_is_utf_8(hub: Web, channel: str) -> None:
    hub.publish(channel, "ü")
    assert "ü".encode() in hub.get(f"/channels/{channel}/history").content


def test_the_history_is_trimmed_to_the_events_kept_and_never_below(
    short: Web, channel: str
) -> None:
    for number in range(10):
        short.publish(channel, number)
        retained = short.get(f"/channels/{channel}").json()["retained"]
        assert retained == min(number + 1, 3)


def test_nothing_older_than_the_seconds_kept_is_told(brief: Web, channel: str) -> None:
    brief.publish(channel, "old")
    eventually(lambda: brief.get(f"/channels/{channel}").json()["retained"] == 0, 3)
    new = brief.publish(channel, "new")
    page = brief.get(f"/channels/{channel}/history").json()
    assert [event["id"] for event in page["events"]] == [new]
    assert page["complete"] is False


def _place(event_id: str) -> list[int]:
    return [int(part) for part in event_id.split("-")]


def _request(hub: Web, method: str, path: str) -> requests.Response:
    return requests.request(method, hub.url + path, timeout=10)
