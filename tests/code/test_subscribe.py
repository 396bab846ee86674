"""`hub.subscribe`: history is the truth, the subscription a wake-up."""

from __future__ import annotations

import json
import threading

import pytest

from hub import Hub
from hub.errors import RedisUnavailable
from hub.event import Event
from hub.settings import Settings
from hub.store.keys import Keys
from tests.code.conftest import Listen
from tests.conftest import StartValkey
from tests.support.deadline import eventually
from tests.support.valkey import Valkey


def test_a_listener_without_an_id_begins_at_the_moment_of_subscribing(hub: Hub) -> None:
    hub.publish("news", "before")
    events = hub.subscribe("news")
    published = hub.publish("news", {"n": 1}, event="notice")

    with events:
        event = next(events)

    assert (event.id, event.event, event.data) == (published, "notice", '{"n":1}')


def test_a_listener_with_an_id_resumes_after_it(hub: Hub) -> None:
    ids = [hub.publish("news", str(number)) for number in range(5)]

    with hub.subscribe("news", after=ids[1]) as events:
        assert [next(events).data for _ in range(3)] == ["2", "3", "4"]
        assert events.position == ids[4]


def test_the_first_position_of_all_replays_what_is_retained(hub: Hub) -> None:
    for number in range(2500):  # more than one page of history
        hub.publish("news", str(number))

    with hub.subscribe("news", after="0-0") as events:
        assert [next(events).data for _ in range(2500)] == [str(n) for n in range(2500)]


def test_live_events_arrive_in_order_once_each(hub: Hub, listening: Listen) -> None:
    listener = listening(hub.subscribe("news"))
    for number in range(50):
        hub.publish("news", str(number))
    hub.publish_many([("news", str(number), None) for number in range(50, 200)])

    listener.take(200)

    assert listener.data() == [str(number) for number in range(200)]


def test_publishers_in_several_threads_cost_a_listener_nothing(hub: Hub, listening: Listen) -> None:
    listener = listening(hub.subscribe("news"))
    threads = [
        threading.Thread(target=lambda: [hub.publish("news", "x") for _ in range(50)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    ids = [event.id for event in listener.take(200)]

    page = hub.history.read("news", "0-0")
    assert ids == [frame.id for frame in page.frames]


def test_a_cut_connection_costs_a_listener_nothing(hub: Hub, listening: Listen) -> None:
    listener = listening(hub.subscribe("news"))
    hub.publish("news", "1")
    listener.take(1)

    for number in range(2, 20):
        hub.history.link.client.client_kill_filter(_type="pubsub")
        hub.publish("news", str(number))

    listener.take(19)
    assert listener.data() == [str(number) for number in range(1, 20)]


def test_a_subscription_that_is_silent_about_news_is_found_out(
    hub: Hub, listening: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is announced where nobody listens stands for an announcement that never came."""
    monkeypatch.setattr("hub.client.subscription.SILENCE_SECONDS", 0.2)
    listener = listening(hub.subscribe("news"))
    hub.publish("news", "1")
    listener.take(1)
    monkeypatch.setattr(Keys, "pubsub", lambda keys, tag, part="": "elsewhere")

    hub.publish("news", "2")

    listener.take(2, 5)
    assert listener.data() == ["1", "2"]


def test_a_restart_of_redis_with_its_data_costs_a_listener_nothing(
    start_valkey: StartValkey, listening: Listen
) -> None:
    server = start_valkey(options=("--appendonly", "yes", "--appendfsync", "always"))
    with Hub.from_url(server.url, Settings()) as hub:
        listener = listening(hub.subscribe("news"))
        hub.publish("news", "1")
        listener.take(1)
        server.kill()
        server.start()
        hub.publish("news", "2")
        listener.take(2)

    assert listener.data() == ["1", "2"]


def test_history_that_is_gone_is_told_by_a_gap(valkey: Valkey) -> None:
    with Hub.from_url(valkey.url, Settings(history_events=3)) as hub:
        ids = [hub.publish("news", str(number)) for number in range(10)]
        with hub.subscribe("news", after=ids[1]) as events:
            gap = next(events)
            rest = [next(events).data for _ in range(3)]

    assert gap.event == "gap"
    assert json.loads(gap.data) == {"channel": "news", "after": ids[1], "reason": "trimmed"}
    assert gap.id == ids[6], "coming back with the gap's id loses nothing more"
    assert rest == ["7", "8", "9"]


def test_an_id_from_elsewhere_is_told_by_a_gap(hub: Hub) -> None:
    hub.publish("news", "1")

    with hub.subscribe("news", after="from-elsewhere") as events:
        assert json.loads(next(events).data)["reason"] == "unknown-id"


def test_a_deletion_is_told_at_once(hub: Hub, listening: Listen) -> None:
    listener = listening(hub.subscribe("news"))
    hub.publish("news", "1")
    listener.take(1)

    hub.history.delete("news")

    assert json.loads(listener.take(2)[1].data)["reason"] == "deleted"
    hub.publish("news", "2")
    listener.take(3)
    assert listener.data()[2] == "2"


def test_iterating_ends_with_the_channel(hub: Hub, listening: Listen) -> None:
    listener = listening(hub.subscribe("run"))
    hub.publish("run", "1")

    hub.history.append("run", [Event("done", "completed")], ends=True)

    listener.thread.join(10)
    assert not listener.thread.is_alive()
    assert listener.data() == ["1", "done"]
    assert [event.data for event in hub.subscribe("run", after="0-0")] == ["1", "done"]
    assert list(hub.subscribe("run")) == []


def test_a_wait_with_a_deadline_returns_nothing_and_misses_nothing(hub: Hub) -> None:
    with hub.subscribe("news") as events:
        assert events.next(timeout_seconds=0.05) is None
        assert not events.over
        hub.publish("news", "1")
        event = events.next(timeout_seconds=5)

    assert event is not None
    assert event.data == "1"


def test_closing_wakes_an_iterator_that_waits(hub: Hub, listening: Listen) -> None:
    listener = listening(hub.subscribe("news"))
    client = hub.history.link.client
    eventually(lambda: client.pubsub_numsub("hub:{news}")[0][1])

    listener.stop()

    eventually(lambda: not client.pubsub_numsub("hub:{news}")[0][1])


def test_an_iterator_that_is_dropped_leaves_no_connection_behind(hub: Hub) -> None:
    hub.publish("news", "1")
    client = hub.history.link.client

    for event in hub.subscribe("news", after="0-0"):
        hub.publish("news", event.data)
        break
    for _ in hub.subscribe("news", after="0-0"):
        assert client.pubsub_numsub("hub:{news}")[0][1] <= 1
        break

    eventually(lambda: not client.pubsub_numsub("hub:{news}")[0][1])


@pytest.mark.slow
def test_without_redis_subscribing_raises(start_valkey: StartValkey) -> None:
    server = start_valkey()
    server.kill()
    with Hub.from_url(server.url, Settings()) as hub, pytest.raises(RedisUnavailable):
        hub.subscribe("news")
