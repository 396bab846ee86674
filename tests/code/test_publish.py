"""`hub.publish` and `hub.publish_many` (contract §6)."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hub import Hub
from hub.channel import order
from hub.errors import FieldError, Forbidden, RedisUnavailable, TooLarge
from hub.settings import Settings
from hub.store.frame import StoredEvent
from tests.conftest import StartValkey
from tests.support.real import ROOT


def stored(hub: Hub, channel: str) -> list[tuple[str, str]]:
    page = hub.history.read(channel, "0-0")
    return [(e.event, e.data) for e in map(StoredEvent.of, page.frames)]


def test_a_published_event_is_in_the_history_under_the_id_that_was_returned(hub: Hub) -> None:
    event_id = hub.publish("news", {"title": "grün"}, event="notice")

    page = hub.history.read("news", "0-0")

    assert [frame.id for frame in page.frames] == [event_id]
    assert stored(hub, "news") == [("notice", '{"title":"grün"}')]


def test_a_string_travels_as_it_is_and_other_json_compact(hub: Hub) -> None:
    for data in ("two\nlines", "", 5, None, [1, {"a": 2}], True):
        hub.publish("news", data)

    datas = [data for _, data in stored(hub, "news")]

    assert datas == ["two\nlines", "", "5", "null", '[1,{"a":2}]', "true"]


@pytest.mark.parametrize(
    ("channel", "data", "event"),
    [
        ("not a name", "x", None),
        ("news", "x", "two words"),
        ("news", "x", "heartbeat"),
        ("news", "x", "error"),
        ("news", object(), None),
        ("news", float("nan"), None),
        ("news", "\ud800", None),
    ],
)
def test_what_cannot_be_published_raises_and_stores_nothing(
    hub: Hub, channel: str, data: object, event: str | None
) -> None:
    with pytest.raises(FieldError):
        hub.publish(channel, data, event)
    with pytest.raises(FieldError):
        hub.publish_many([("news", "fine", None), (channel, data, event)])

    assert stored(hub, "news") == []


def test_an_event_that_is_too_large_is_refused_before_anything_is_stored(hub: Hub) -> None:
    with pytest.raises(TooLarge):
        hub.publish_many([("news", "fine", None), ("sport", "x" * 300_000, None)])

    assert stored(hub, "news") == []


def test_the_generations_channels_belong_to_the_workers(hub: Hub) -> None:
    with pytest.raises(Forbidden):
        hub.publish("generation:abc", "x")
    with pytest.raises(Forbidden):
        hub.publish_many([("generation:abc", "x", None)])


def test_many_events_on_several_channels_keep_their_order_and_get_their_ids(hub: Hub) -> None:
    messages = [(f"c{number % 3}", str(number), "tick") for number in range(300)]

    ids = hub.publish_many(messages)

    assert len(ids) == len(set(zip(ids, [m[0] for m in messages], strict=True))) == 300
    for channel in ("c0", "c1", "c2"):
        frames = hub.history.read(channel, "0-0").frames
        mine = [i for i, m in zip(ids, messages, strict=True) if m[0] == channel]
        assert [frame.id for frame in frames] == mine
        assert mine == sorted(mine, key=lambda i: order(i) or (0, 0))
        assert [StoredEvent.of(f).data for f in frames] == [
            m[1] for m in messages if m[0] == channel
        ]


def test_nothing_to_publish_is_no_question_to_redis() -> None:
    assert Hub.from_url("unix:///nowhere", Settings()).publish_many([]) == []


def test_many_events_take_one_round_trip(hub: Hub) -> None:
    """The first call brings the script along; the second finds everything in place."""
    hub.publish_many([("a", "x", None), ("b", "x", None)])
    client = hub.history.link.client
    before = client.info("stats")["total_reads_processed"]

    hub.publish_many([(f"c{number}", "x" * 50, None) for number in range(20)])

    # One read for the batch, one for each INFO.
    assert client.info("stats")["total_reads_processed"] - before <= 2


def test_many_events_survive_that_redis_forgets_its_scripts(hub: Hub) -> None:
    hub.publish_many([("a", "1", None)])
    hub.history.link.client.script_flush()

    hub.publish_many([("a", "2", None), ("b", "3", None)])

    assert stored(hub, "a") == [("message", "1"), ("message", "2")]


def test_many_events_are_stored_once_although_the_connections_were_cut(hub: Hub) -> None:
    hub.publish_many([("a", "1", None), ("b", "2", None)])
    hub.history.link.client.client_kill_filter(_type="normal", skipme=True)

    hub.publish_many([("a", "3", None), ("b", "4", None)])

    assert stored(hub, "a") == [("message", "1"), ("message", "3")]
    assert stored(hub, "b") == [("message", "2"), ("message", "4")]


@pytest.mark.slow
def test_without_redis_publishing_raises_and_never_claims_success(
    start_valkey: StartValkey,
) -> None:
    server = start_valkey()
    with Hub.from_url(server.url, Settings()) as hub:
        hub.publish("news", "x")
        server.kill()
        with pytest.raises(RedisUnavailable):
            hub.publish("news", "y")
        with pytest.raises(RedisUnavailable):
            hub.publish_many([("news", "z", None)])


def test_a_program_that_publishes_loads_neither_flask_nor_gevent() -> None:
    program = (
        "import sys; from hub import Hub; Hub.from_url('redis://127.0.0.1:1');"
        "print([m for m in ('flask', 'gevent', 'gunicorn', 'werkzeug') if m in sys.modules])"
    )

    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert printed.strip() == "[]"


def test_the_package_alone_does_not_load_redis() -> None:
    """gunicorn imports it before gevent has patched the process."""
    program = "import sys, hub; print('redis' in sys.modules)"

    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert printed.strip() == "False"
