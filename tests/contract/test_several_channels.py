"""Contract §2: `GET /events`, 1 to 8 channels on one connection."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

from hub import cursor
from hub.channel import BEFORE_FIRST
from tests.support.stack import Web
from tests.support.stream import EventStream

Listen = Callable[..., EventStream]
CURSOR = re.compile(r"[A-Za-z0-9._~-]{1,128}")


class Several:
    def __init__(self, hub: Web, channel: str, listen: Listen) -> None:
        self.hub = hub
        self.names = [f"{channel}-{letter}" for letter in "abcdefgh"]
        self._listen = listen

    def come(self, *indexes: int, last_event_id: str | None = None, **query: object) -> EventStream:
        query = {"channel": [self.names[i] for i in indexes], **query}
        return self._listen(f"{self.hub.url}/events", query=query, last_event_id=last_event_id)

    def publish(self, index: int, *texts: str) -> list[str]:
        return [self.hub.publish(self.names[index], text) for text in texts]

    def verdicts(self, stream: EventStream) -> dict[str, Any]:
        first = stream.until(lambda s: s.events).events[0]
        assert first.event == "subscribed"
        found: dict[str, Any] = json.loads(first.data)["channels"]
        return found


@pytest.fixture
def several(hub: Web, channel: str, listen: Listen) -> Several:
    return Several(hub, channel, listen)


def test_events_of_all_channels_arrive_and_each_channel_has_a_verdict(several: Several) -> None:
    old = several.publish(0, "old")[0]
    stream = several.come(0, 1, 2)
    verdicts = several.verdicts(stream)
    assert {name: verdict["last_event_id"] for name, verdict in verdicts.items()} == {
        several.names[0]: old,
        several.names[1]: None,
        several.names[2]: None,
    }
    assert all(verdict["recovered"] for verdict in verdicts.values())
    for index in (2, 0, 1):
        several.publish(index, f"to {index}")
    assert [event.data for event in stream.take(3)] == ["to 2", "to 0", "to 1"]


def test_each_id_is_a_cursor_over_all_of_them_within_the_id_rules(several: Several) -> None:
    names = [("x" * 120 + f"-{i}" + several.names[i][-8:])[:128] for i in range(8)]
    several.names = names
    stream = several.come(*range(8))
    for index in range(8):
        several.publish(index, *[f"{index} {n}" for n in range(3)])
    heard = stream.take(24)
    assert all(CURSOR.fullmatch(event.id) for event in (*heard, stream.events[0]))
    assert len({event.id for event in heard}) == 24


def test_a_cursor_resumes_every_channel_where_it_was(several: Several) -> None:
    stream = several.come(0, 1)
    several.publish(0, "a1")
    several.publish(1, "b1")
    several.publish(0, "a2")
    middle = stream.take(2)[1]
    stream.take(1)
    several.publish(1, "b2")
    again = several.come(0, 1, last_event_id=middle.id)
    verdicts = several.verdicts(again)
    assert [verdicts[name]["replayed"] for name in several.names[:2]] == [1, 1]
    assert all(verdict["recovered"] for verdict in verdicts.values())
    assert again.events[0].id == middle.id
    assert sorted(event.data for event in again.take(2)) == ["a2", "b2"]


def test_a_client_cut_off_before_its_first_event_resumes_all_channels(several: Several) -> None:
    several.publish(0, "old")
    stream = several.come(0, 1)
    stream.next("subscribed")
    assert stream.last_id
    several.publish(0, "a")
    several.publish(1, "b")
    again = several.come(0, 1, last_event_id=stream.last_id)
    assert sorted(event.data for event in again.take(2)) == ["a", "b"]


def test_the_order_in_which_the_channels_are_named_does_not_matter(several: Several) -> None:
    stream = several.come(0, 1, 2)
    several.publish(1, "x")
    position = stream.take(1)[0].id
    several.publish(2, "y")
    for order in permutations(range(3)):
        again = several.come(*order, *order[:1], last_event_id=position)
        assert all(v["recovered"] for v in several.verdicts(again).values())
        assert again.take(1)[0].data == "y"


def test_a_cursor_of_another_set_of_channels_is_unknown(several: Several) -> None:
    stream = several.come(0, 1)
    several.publish(0, "x")
    position = stream.take(1)[0].id
    plain = several.publish(1, "y")[0]
    for others, given in [((0, 2), position), ((0, 1, 2), position), ((0, 1), plain)]:
        verdicts = several.verdicts(several.come(*others, last_event_id=given))
        assert {v["reason"] for v in verdicts.values()} == {"unknown-id"}
        assert {v["recovered"] for v in verdicts.values()} == {False}
    alone = several.come(0, last_event_id=position)
    assert several.verdicts(alone)[several.names[0]]["reason"] == "unknown-id"


@pytest.mark.parametrize("strange", ["garbage", "AAAA", "é", "x" * 500, "0-0", "~~", "====", "-_"])
def test_a_cursor_that_cannot_be_read_is_never_an_error(several: Several, strange: str) -> None:
    stream = several.come(0, 1, last_event_id=strange)
    assert stream.status == 200
    assert {v["reason"] for v in several.verdicts(stream).values()} == {"unknown-id"}
    several.publish(1, "next")
    assert stream.take(1)[0].data == "next"


def test_from_start_replays_all_channels(several: Several) -> None:
    several.publish(0, "a1", "a2")
    several.publish(1, "b1")
    stream = several.come(0, 1, **{"from": "start"})
    assert sorted(event.data for event in stream.take(3)) == ["a1", "a2", "b1"]


def test_a_gap_names_its_channel_and_the_others_go_on(several: Several) -> None:
    stream = several.come(0, 1)
    several.publish(0, "x")
    stream.take(1)
    several.hub.delete(f"/channels/{several.names[0]}")
    gap = stream.next("gap")
    assert json.loads(gap.data)["channel"] == several.names[0]
    several.publish(1, "y")
    several.publish(0, "z")
    assert [event.data for event in stream.take(2)] == ["y", "z"]


def test_what_is_missing_in_one_channel_is_told_of_that_one(
    short: Web, channel: str, listen: Listen
) -> None:
    several = Several(short, channel, listen)
    first = several.publish(0, *"abcdef")[0]
    several.publish(1, "x")
    # A listener's own id would not do: the process that gave it may still remember the events.
    position = cursor.encode(tuple(several.names[:2]), [first, BEFORE_FIRST])
    again = several.come(0, 1, last_event_id=position)
    verdicts = several.verdicts(again)
    assert verdicts[several.names[0]]["reason"] == "trimmed"
    assert verdicts[several.names[1]]["recovered"] is True
    assert sorted(event.data for event in again.take(4)) == ["d", "e", "f", "x"]


def test_a_heartbeat_counts_the_listeners_of_each_channel(several: Several) -> None:
    several.come(0).next("subscribed")
    stream = several.come(0, 1, heartbeat=1)
    beat = json.loads(stream.next("heartbeat").data)
    assert beat["listeners"] == {several.names[0]: 2, several.names[1]: 1}


def test_one_channel_on_events_is_that_channel(several: Several) -> None:
    ids = several.publish(0, "a", "b")
    stream = several.come(0, last_event_id=ids[0])
    assert several.verdicts(stream)[several.names[0]]["recovered"] is True
    assert stream.take(1)[0].data == "b"


@pytest.mark.parametrize("count", [0, 9])
def test_channels_are_one_to_eight(hub: Web, count: int) -> None:
    query = [("channel", f"c{n}") for n in range(count)]
    answer = hub.get("/events", params=query)
    assert (answer.status_code, answer.json()["field"]) == (400, "channel")


def test_eight_channels_named_twice_are_eight(several: Several) -> None:
    stream = several.come(*range(8), *range(8))
    assert len(several.verdicts(stream)) == 8


def fields(stream: EventStream) -> list[dict[str, str]]:
    """The fields of each block of the stream as they stand on the wire."""
    blocks = stream.without_beats(0).decode().split("\n\n")[:-1]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


@pytest.mark.parametrize("indexes", [(0,), (0, 1)])
def test_each_event_names_its_channel_and_its_place_there(
    several: Several, indexes: tuple[int, ...]
) -> None:
    replayed = several.publish(0, "old")[0]
    stream = several.come(*indexes, **{"from": "start"})
    stream.next("subscribed")
    live = several.publish(indexes[-1], "two\nlines")[0]
    heard = stream.take(2)
    _, first, second = fields(stream)
    assert (first["channel"], first["position"]) == (several.names[0], replayed)
    assert (second["channel"], second["position"]) == (several.names[indexes[-1]], live)
    assert heard[1].data == "two\nlines"
    if len(indexes) == 1:
        assert [event.id for event in heard] == [replayed, live]


def test_the_first_event_tells_the_places_of_which_its_cursor_is_made(several: Several) -> None:
    old = several.publish(0, "old")[0]
    stream = several.come(0, 1)
    stream.next("subscribed")
    told = json.loads(fields(stream)[0]["positions"])
    assert told == {several.names[0]: old, several.names[1]: BEFORE_FIRST}
    back = several.come(0, 1, 2, after=[*told.values(), ""])
    assert all(verdict["recovered"] for verdict in several.verdicts(back).values())


def test_the_hub_s_own_events_name_no_channel_in_a_field(several: Several) -> None:
    stream = several.come(0, 1, heartbeat=1)
    stream.next("heartbeat")
    assert all("channel" not in block for block in fields(stream))


@pytest.mark.parametrize("indexes", [(0,), (0, 1)])
def test_in_an_envelope_an_event_is_a_message_that_says_what_it_is(
    several: Several, indexes: tuple[int, ...]
) -> None:
    ids = [several.hub.publish(several.names[0], {"a": 1}, "notice", retry_ms=77)]
    ids += several.publish(indexes[-1], " two\r\nlines")
    stream = several.come(*indexes, envelope=1, **{"from": "start"})
    stream.next("subscribed")
    live = several.publish(0, "live")[0]
    heard = stream.take(3)
    assert [event.event for event in heard] == ["message"] * 3
    assert [json.loads(event.data) for event in heard] == [
        {"channel": several.names[0], "event": "notice", "data": '{"a":1}'},
        {"channel": several.names[indexes[-1]], "event": "message", "data": " two\nlines"},
        {"channel": several.names[0], "event": "message", "data": "live"},
    ]
    assert heard[0].retry_ms == 77
    if len(indexes) == 1:
        assert [event.id for event in heard] == [*ids, live]
    back = several.come(*indexes, last_event_id=heard[1].id, envelope=1)
    assert all(verdict["recovered"] for verdict in several.verdicts(back).values())
    assert json.loads(back.take(1)[0].data)["data"] == "live"


def test_one_channel_by_its_own_route_comes_in_an_envelope_too(
    hub: Web, channel: str, listen: Listen
) -> None:
    stream = listen(f"{hub.url}/channels/{channel}/events", query={"envelope": 1})
    stream.next("subscribed")
    event_id = hub.publish(channel, "x", "notice")
    heard = stream.take(1)[0]
    assert (heard.id, heard.event) == (event_id, "message")
    assert json.loads(heard.data) == {"channel": channel, "event": "notice", "data": "x"}


def test_a_list_that_changes_goes_on_from_the_places_in_single_channels(
    several: Several,
) -> None:
    a = several.publish(0, "a1", "a2")
    several.publish(1, "b1")
    stream = several.come(0, 1, 2, after=[a[0], "", BEFORE_FIRST])
    verdicts = several.verdicts(stream)
    assert [verdicts[several.names[i]]["replayed"] for i in (0, 1, 2)] == [1, 0, 0]
    last = stream.take(1)[0]
    assert last.data == "a2"
    several.publish(1, "b2")
    back = several.come(0, 1, 2, after=[a[0], "", BEFORE_FIRST], last_event_id=last.id)
    assert [event.data for event in back.take(1)] == ["b2"]  # the id wins


def test_a_place_that_is_none_is_told_and_one_too_few_is_an_error(several: Several) -> None:
    verdicts = several.verdicts(several.come(0, 1, after=["nonsense", ""]))
    assert verdicts[several.names[0]]["reason"] == "unknown-id"
    assert verdicts[several.names[1]]["recovered"] is True
    refused = several.come(0, 1, after=["1-1"])
    assert (refused.status, refused.json()["field"]) == (400, "after")
