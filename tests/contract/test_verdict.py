"""Contract §2: the resume verdict. What a listener is told about what it missed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.deadline import eventually
from tests.support.stack import Web
from tests.support.stream import EventStream

Listen = Callable[..., EventStream]
BEFORE_FIRST = "0-0"


class Place:
    """A hub, a channel on it, and listeners who come and return."""

    def __init__(self, hub: Web, channel: str, listen: Listen) -> None:
        self.hub, self.channel, self.listen = hub, channel, listen
        self.url = f"{hub.url}/channels/{channel}/events"

    def publish(self, *texts: str) -> list[str]:
        return [self.hub.publish(self.channel, text) for text in texts]

    def come(self, last_id: str | None = None, /, **query: str) -> EventStream:
        return self.listen(self.url, query=query, last_event_id=last_id)

    def back(self, stream: EventStream) -> EventStream:
        """As EventSource comes back."""
        stream.close()
        return self.come(stream.last_id)

    def verdict(self, stream: EventStream) -> dict[str, Any]:
        return stream.verdict(self.channel)

    def hears(self, stream: EventStream, *texts: str) -> None:
        """These and then the next live one, nothing between."""
        self.publish("next")
        assert [event.data for event in stream.take(len(texts) + 1)] == [*texts, "next"]


def recovered(replayed: int, newest: str | None) -> dict[str, Any]:
    return {"recovered": True, "replayed": replayed, "reason": None, "last_event_id": newest}


def missed(reason: str, replayed: int, newest: str | None) -> dict[str, Any]:
    return {"recovered": False, "replayed": replayed, "reason": reason, "last_event_id": newest}


@pytest.fixture
def place(hub: Web, channel: str, listen: Listen) -> Place:
    return Place(hub, channel, listen)


def test_on_an_empty_channel_the_position_is_before_the_first(place: Place) -> None:
    for query in ({}, {"from": "now"}, {"from": "start"}):
        stream = place.come(**query)
        assert place.verdict(stream) == recovered(0, None)
        assert stream.events[0].id == BEFORE_FIRST


def test_without_an_id_a_listener_begins_at_the_head(place: Place) -> None:
    ids = place.publish("a", "b")
    for query in ({}, {"from": "now"}):
        stream = place.come(**query)
        assert place.verdict(stream) == recovered(0, ids[1])
        assert stream.events[0].id == ids[1]
    place.hears(stream)


def test_from_start_begins_before_the_first_and_replays_everything(place: Place) -> None:
    ids = place.publish("a", "b")
    stream = place.come(**{"from": "start"})
    assert place.verdict(stream) == recovered(2, ids[1])
    assert stream.events[0].id == BEFORE_FIRST
    place.hears(stream, "a", "b")


def test_a_listener_who_returns_gets_what_came_after_its_id(place: Place) -> None:
    ids = place.publish("a", "b", "c")
    stream = place.come(ids[0])
    assert place.verdict(stream) == recovered(2, ids[2])
    assert stream.events[0].id == ids[0]
    place.hears(stream, "b", "c")


def test_a_listener_who_returns_at_the_head_has_missed_nothing(place: Place) -> None:
    ids = place.publish("a")
    stream = place.come(ids[0])
    assert place.verdict(stream) == recovered(0, ids[0])
    place.hears(stream)


def test_a_client_cut_off_before_its_first_event_still_resumes_without_loss(place: Place) -> None:
    for number, begin in enumerate(("now", "start", "now")):
        first = place.come(**{"from": begin})
        first.next("subscribed")
        place.publish(f"while away {number}")
        again = place.back(first)
        assert place.verdict(again)["recovered"] is True
        assert again.until(lambda s: s.published).published[-1].data == f"while away {number}"


def test_returning_at_before_the_first_is_recovered_while_the_first_event_is_there(
    place: Place,
) -> None:
    ids = place.publish("a", "b")
    assert place.verdict(place.come(BEFORE_FIRST)) == recovered(2, ids[1])


@pytest.mark.parametrize("name", ["last_event_id", "lastEventId", "lastEventID"])
def test_the_id_may_come_in_the_query(place: Place, name: str) -> None:
    ids = place.publish("a", "b")
    stream = place.come(**{name: ids[0]})
    assert place.verdict(stream) == recovered(1, ids[1])
    place.hears(stream, "b")


def test_the_header_wins_over_the_query(place: Place) -> None:
    ids = place.publish("a", "b", "c")
    stream = place.come(ids[1], last_event_id=ids[0], lastEventId=ids[0])
    place.hears(stream, "c")


def test_an_id_wins_over_from(place: Place) -> None:
    ids = place.publish("a", "b")
    stream = place.come(ids[0], **{"from": "now"})
    place.hears(stream, "b")


@pytest.mark.parametrize(
    "strange",
    ["garbage", "9" * 15 + "-0", "1-2-3", "-", "0", "é", "x" * 3000, "../../etc", "{}", "1e3-0"],
)
def test_an_id_that_cannot_be_read_or_is_from_the_future_is_never_an_error(
    place: Place, strange: str
) -> None:
    ids = place.publish("a")
    stream = place.come(strange)
    assert stream.status == 200
    assert place.verdict(stream) == missed("unknown-id", 0, ids[0])
    place.hears(stream)


def test_an_id_of_another_channel_is_unknown_and_what_lies_after_it_is_replayed(
    place: Place,
) -> None:
    foreign = place.hub.publish(f"{place.channel}-other", "x")
    ids = place.publish("a", "b")
    stream = place.come(foreign)
    assert place.verdict(stream) == missed("unknown-id", 2, ids[1])
    place.hears(stream, "a", "b")


def test_a_listener_with_an_id_from_the_future_returns_without_loss(place: Place) -> None:
    place.publish("a")
    first = place.come("9" * 15 + "-0")
    first.next("subscribed")
    place.publish("while away")
    assert place.back(first).take(1)[0].data == "while away"


def test_what_was_trimmed_is_told_and_what_is_retained_is_replayed(
    short: Web, channel: str, listen: Listen
) -> None:
    place = Place(short, channel, listen)
    ids = place.publish(*"abcdef")
    assert place.verdict(place.come(ids[1])) == missed("trimmed", 3, ids[5])
    assert place.verdict(place.come(ids[2])) == recovered(3, ids[5])
    assert place.verdict(place.come(BEFORE_FIRST)) == missed("trimmed", 3, ids[5])
    stream = place.come(ids[0])
    assert place.verdict(stream) == missed("trimmed", 3, ids[5])
    place.hears(stream, "d", "e", "f")
    assert place.verdict(place.come(**{"from": "start"}))["recovered"] is True


def test_what_no_longer_fits_the_bytes_kept_is_trimmed_too(
    short: Web, channel: str, listen: Listen
) -> None:
    place = Place(short, channel, listen)
    ids = place.publish("a" * 900, "b" * 900, "c" * 900)
    assert short.get(f"/channels/{channel}").json()["retained"] == 2
    assert place.verdict(place.come(BEFORE_FIRST)) == missed("trimmed", 2, ids[2])
    assert place.verdict(place.come(ids[0])) == recovered(2, ids[2])
    newest = place.publish("d" * 5000)[0]
    assert place.verdict(place.come(ids[2])) == recovered(1, newest)


def test_what_has_expired_is_told_and_the_last_id_outlives_it(
    brief: Web, channel: str, listen: Listen
) -> None:
    place = Place(brief, channel, listen)
    ids = place.publish("a", "b")
    eventually(lambda: brief.get(f"/channels/{channel}").json()["retained"] == 0, 5)
    # Where no process remembers it, that is: this one's memory may still have what history lost.
    other = brief.get(f"/channels/{channel}/history?after={ids[0]}").json()
    assert other == {"events": [], "complete": False, "next": None}
    stream = place.come(ids[0])
    assert place.verdict(stream) == missed("expired", 0, ids[1])
    place.hears(stream)

    back = place.come(ids[1])
    assert place.verdict(back)["recovered"] is True
    at_the_head = place.come(place.publish("c")[0])
    place.hears(at_the_head)
    assert all(event.event != "gap" for event in at_the_head.events)


def test_returning_at_the_last_id_is_recovered_though_nothing_is_retained(
    brief: Web, channel: str, listen: Listen
) -> None:
    place = Place(brief, channel, listen)
    ids = place.publish("a")
    eventually(lambda: brief.get(f"/channels/{channel}").json()["retained"] == 0, 5)
    stream = place.come(ids[0])
    assert place.verdict(stream) == recovered(0, ids[0])
    place.hears(stream)
    assert [event.event for event in stream.events if event.event == "gap"] == []


def test_what_was_deleted_is_told(place: Place) -> None:
    ids = place.publish("a", "b")
    assert place.hub.delete(f"/channels/{place.channel}").status_code == 204
    assert place.verdict(place.come(ids[0])) == missed("deleted", 0, ids[1])
    assert place.verdict(place.come(ids[1])) == recovered(0, ids[1])
    assert place.verdict(place.come(BEFORE_FIRST)) == missed("deleted", 0, ids[1])
    later = place.publish("c")[0]
    stream = place.come(ids[0])
    assert place.verdict(stream) == missed("deleted", 1, later)
    place.hears(stream, "c")


def test_a_listener_at_the_head_is_told_of_a_deletion_by_gap(place: Place) -> None:
    ids = place.publish("a")
    stream = place.come()
    stream.next("subscribed")
    place.hub.delete(f"/channels/{place.channel}")
    gap = stream.next()
    assert gap.event == "gap"
    assert json.loads(gap.data) == {"channel": place.channel, "after": ids[0], "reason": "deleted"}
    place.hears(stream)


def test_a_listener_who_is_behind_is_told_of_a_deletion_by_gap(place: Place) -> None:
    stream = place.listen(place.url, receive_buffer=4096, timeout=20)
    stream.next("subscribed")
    for number in range(60):
        place.publish(f"{number} " + "x" * 200_000)
    assert place.hub.delete(f"/channels/{place.channel}").status_code == 204
    place.publish("after")
    stream.until_data("after")
    heard = [event for event in stream.events if event.event in ("gap", "message")]
    gaps = [i for i, event in enumerate(heard) if event.event == "gap"]
    numbers = [event.data.split()[0] for event in heard[: gaps[0]]]
    assert numbers == [str(n) for n in range(len(numbers))]
    assert len(numbers) < 60, "it was not behind"
    assert [json.loads(heard[i].data)["reason"] for i in gaps] == ["deleted"]
    assert json.loads(heard[gaps[0]].data)["after"] == heard[gaps[0] - 1].id
    assert [event.data for event in heard[gaps[0] + 1 :]] == ["after"]


def test_a_deletion_of_an_empty_channel_is_told_as_well(place: Place) -> None:
    stream = place.come()
    stream.next("subscribed")
    place.hub.delete(f"/channels/{place.channel}")
    gap = stream.next()
    assert (gap.event, json.loads(gap.data)["reason"]) == ("gap", "deleted")
