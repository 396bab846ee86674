"""Contract §2: how a stream begins and what it carries."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from tests.contract.conftest import RETRY_MS
from tests.support.deadline import patience
from tests.support.stack import Web
from tests.support.stream import EventStream

Listen = Callable[..., EventStream]
EVENT_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}")


@pytest.fixture
def events(hub: Web, channel: str) -> str:
    return f"{hub.url}/channels/{channel}/events"


def test_the_answer_is_an_event_stream_that_nobody_may_cache_change_or_buffer(
    events: str, listen: Listen
) -> None:
    stream = listen(events, headers={"Accept-Encoding": "gzip, br, deflate"})
    assert stream.status == 200
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert stream.headers["cache-control"] == "no-cache, no-transform"
    assert stream.headers["x-accel-buffering"] == "no"
    assert "content-encoding" not in stream.headers
    assert "content-length" not in stream.headers


def test_headers_and_the_first_event_come_at_once(events: str, listen: Listen) -> None:
    assert listen(events, timeout=2).next().event == "subscribed"


def test_subscribed_is_first_and_carries_the_verdict_the_heartbeat_and_retry(
    events: str, channel: str, listen: Listen
) -> None:
    first = listen(events, query={"heartbeat": 7}).next()
    assert first.event == "subscribed"
    assert json.loads(first.data) == {
        "channels": {
            channel: {"recovered": True, "replayed": 0, "reason": None, "last_event_id": None}
        },
        "heartbeat_seconds": 7,
    }
    assert first.retry_ms == RETRY_MS


def test_the_heartbeat_is_fifteen_seconds_unless_something_else_is_asked_for(
    events: str, listen: Listen
) -> None:
    assert json.loads(listen(events).next().data)["heartbeat_seconds"] == 15


def test_replayed_events_come_before_live_ones_each_once_in_order_with_ids_that_grow(
    hub: Web, channel: str, listen: Listen
) -> None:
    ids = [hub.publish(channel, f"old {n}") for n in range(3)]
    stream = listen(f"{hub.url}/channels/{channel}/events", query={"from": "start"})
    stream.until(lambda s: len(s.published) == 3)
    ids += [hub.publish(channel, f"new {n}", event="notice") for n in range(3)]
    heard = stream.take(6)
    assert [event.data for event in heard] == [*(f"old {n}" for n in range(3))] + [
        f"new {n}" for n in range(3)
    ]
    assert [event.event for event in heard] == ["message"] * 3 + ["notice"] * 3
    assert [event.id for event in heard] == ids
    assert all(EVENT_ID.fullmatch(event_id) for event_id in ids)
    assert len(set(ids)) == 6


def test_an_event_is_written_whole_with_one_blank_line_behind_it(
    hub: Web, channel: str, listen: Listen
) -> None:
    stream = listen(f"{hub.url}/channels/{channel}/events")
    stream.next("subscribed")
    before = len(stream.raw)
    event_id = hub.publish(channel, "one\ntwo", event="notice", retry_ms=99)
    stream.take(1)
    written = stream.without_beats(before).decode()
    assert written == f"id: {event_id}\nevent: notice\nretry: 99\ndata: one\ndata: two\n\n"


def test_a_message_has_no_event_line(hub: Web, channel: str, listen: Listen) -> None:
    stream = listen(f"{hub.url}/channels/{channel}/events")
    stream.next("subscribed")
    before = len(stream.raw)
    event_id = hub.publish(channel, "hello")
    stream.take(1)
    assert stream.without_beats(before).decode() == f"id: {event_id}\ndata: hello\n\n"


def test_every_listener_hears_the_same_bytes(hub: Web, channel: str, listen: Listen) -> None:
    streams = [listen(f"{hub.url}/channels/{channel}/events") for _ in range(20)]
    for stream in streams:
        stream.next("subscribed")
    starts = [len(stream.raw) for stream in streams]
    for number in range(50):
        hub.publish(channel, {"number": number})
    bodies = set()
    for stream, start in zip(streams, starts, strict=True):
        stream.take(50)
        bodies.add(stream.without_beats(start))
    assert len(bodies) == 1


def test_two_who_open_the_same_new_channel_at_once_both_hear_everything(
    hub: Web, channel: str, listen: Listen
) -> None:
    with ThreadPoolExecutor(8) as pool:
        for attempt in range(5):
            name = f"{channel}-{attempt}"
            url = f"{hub.url}/channels/{name}/events"
            opening = [pool.submit(listen, url) for _ in range(8)]
            published = pool.submit(hub.publish, name, "early").result()
            late = hub.publish(name, "late")
            for future in opening:
                stream = future.result()
                first = stream.next("subscribed")
                expected = [i for i in (published, late) if _after(i, first.id)]
                assert [event.id for event in stream.take(len(expected))] == expected


def test_a_generation_s_name_is_no_stranger_to_the_path(hub: Web, listen: Listen) -> None:
    name = "A0._~:@-z"
    stream = listen(f"{hub.url}/channels/{name}/events")
    stream.next("subscribed")
    hub.publish(name, "x")
    assert stream.take(1)[0].data == "x"


def test_quiet_has_none_of_the_hub_s_own_events_and_only_comments_as_heartbeats(
    hub: Web, channel: str, listen: Listen
) -> None:
    hub.publish(channel, "before")
    query = {"quiet": 1, "heartbeat": 1, "from": "start"}
    stream = listen(f"{hub.url}/channels/{channel}/events", query=query)
    stream.take(1)
    beats = stream.comments
    stream.until(lambda s: s.comments > beats)
    assert hub.delete(f"/channels/{channel}").status_code == 204
    hub.publish(channel, "after")
    stream.take(1)
    assert [event.data for event in stream.events] == ["before", "after"]
    assert b"event:" not in stream.raw
    assert b":\n\n" not in stream.raw
    assert b"\n\n\n" not in stream.raw
    assert b"retry: " in stream.raw


def test_a_heartbeat_is_an_event_with_the_time_and_the_listeners_and_no_id(
    hub: Web, channel: str, listen: Listen
) -> None:
    stream = listen(f"{hub.url}/channels/{channel}/events", query={"heartbeat": 1})
    at = len(stream.raw)
    hub.publish(channel, "x")
    last = stream.take(1)[0].id
    beat = stream.next("heartbeat")
    said = json.loads(beat.data)
    assert said["listeners"] == {channel: 1}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said["time"])
    datetime.fromisoformat(said["time"])
    assert beat.id == last  # the position is where it was
    block = bytes(stream.raw[at:]).decode().split("event: heartbeat\n")[1]
    assert block.startswith("data: ")
    assert block.endswith("\n\n")
    assert "id:" not in block


def test_heartbeats_come_every_period_traffic_or_not(
    hub: Web, channel: str, listen: Listen
) -> None:
    stream = listen(f"{hub.url}/channels/{channel}/events", query={"heartbeat": 1})
    stream.next("heartbeat", within_seconds=1.7)
    for _ in range(5):
        hub.publish(channel, "traffic")
    stream.next("heartbeat", within_seconds=1.7)
    first, second = (
        at
        for at, event in zip(stream.received_at, stream.events, strict=True)
        if event.event == "heartbeat"
    )
    assert abs(second - first - 1) < 0.4 * patience()


def test_the_listeners_beats_are_spread_over_the_period(
    hub: Web, channel: str, listen: Listen
) -> None:
    streams = [
        listen(f"{hub.url}/channels/{channel}/events", query={"heartbeat": 1}) for _ in range(24)
    ]
    beats = [json.loads(stream.next("heartbeat").data)["time"] for stream in streams]
    assert len({beat[-4:-2] for beat in beats}) >= 5  # tenths and hundredths of a second


def test_a_comment_heartbeat_is_a_colon_and_one_newline(
    hub: Web, channel: str, listen: Listen
) -> None:
    query = {"heartbeat": 1, "heartbeat_style": "comment"}
    stream = listen(f"{hub.url}/channels/{channel}/events", query=query)
    stream.next("subscribed")
    at = len(stream.raw)
    stream.until(lambda s: s.comments >= 2, within_seconds=4)
    assert re.fullmatch(rb"(:\n){2,}", stream.raw[at:])
    hub.publish(channel, "x")
    assert stream.take(1)[0].data == "x"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=later", "from"),
        ("heartbeat=0", "heartbeat"),
        ("heartbeat=301", "heartbeat"),
        ("heartbeat=1.5", "heartbeat"),
        ("heartbeat=", "heartbeat"),
        ("heartbeat=%C2%B2", "heartbeat"),
        ("heartbeat_style=loud", "heartbeat_style"),
        ("quiet=perhaps", "quiet"),
        ("overload=404", "overload"),
    ],
)
def test_a_parameter_that_is_not_understood_is_a_400_that_names_it(
    hub: Web, channel: str, query: str, field: str
) -> None:
    answer = hub.get(f"/channels/{channel}/events?{query}")
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["field"] == field
    assert field in answer.json()["detail"]


def test_head_answers_the_headers_alone_opens_no_stream_and_counts_no_listener(
    hub: Web, channel: str, listen: Listen
) -> None:
    url = f"{hub.url}/channels/{channel}/events"
    stream = listen(url, method="HEAD")
    other = listen(url)
    other.next("subscribed")
    ignored = {"date", "connection", "server", "transfer-encoding"}
    assert stream.status == 200
    assert {k: v for k, v in stream.headers.items() if k not in ignored} == {
        k: v for k, v in other.headers.items() if k not in ignored
    }
    assert hub.get(f"/channels/{channel}").json()["listeners"] == 1


def _after(event_id: str, position: str) -> bool:
    return [int(n) for n in event_id.split("-")] > [int(n) for n in position.split("-")]
