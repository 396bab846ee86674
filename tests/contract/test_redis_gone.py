"""Contract §2, §3: Redis does not answer, and comes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.contract.conftest import OwnHub
from tests.support.deadline import answers, eventually
from tests.support.stream import EventStream
from tests.support.valkey import Valkey

pytestmark = pytest.mark.slow

Listen = Callable[..., EventStream]
StartValkey = Callable[..., Valkey]


def test_while_redis_is_gone_nothing_is_promised_and_nobody_is_thrown_out(
    own_hub: OwnHub, start_valkey: StartValkey, channel: str, listen: Listen
) -> None:
    redis = start_valkey(options=("--appendonly", "yes", "--appendfsync", "always"))
    hub = own_hub(redis.url)
    url = f"{hub.url}/channels/{channel}/events"
    stream = listen(url, query={"heartbeat": 1})
    first = hub.publish(channel, "before")
    assert stream.take(1)[0].id == first
    redis.kill()

    with ThreadPoolExecutor(8) as pool:
        published = pool.submit(hub.post, f"/channels/{channel}/events", json={"data": "lost"})
        subscribed = pool.submit(listen, url)
        asked = pool.submit(listen, url, query={"overload": "503"})
        page = pool.submit(hub.get, f"/channels/{channel}/history")
        information = pool.submit(hub.get, f"/channels/{channel}")
        deleted = pool.submit(hub.delete, f"/channels/{channel}")
        alive = pool.submit(hub.get, "/healthz")

        for future in (published, page, information, deleted):
            answer = future.result()
            assert answer.status_code == 503
            assert answer.json()["code"] == "redis-unavailable"
            assert int(answer.headers["Retry-After"]) > 0
        assert alive.result().status_code == 200
        assert hub.get("/readyz").json()["status"] == "redis-unavailable"

        [closing] = subscribed.result().to_end()
        assert closing.event == "closing"
        assert json.loads(closing.data)["reconnect"] is True
        assert closing.retry_ms is not None
        assert asked.result().status == 503
        assert int(asked.result().headers["retry-after"]) > 0
    stream.next("heartbeat")

    redis.start()
    second = answers(lambda: hub.publish(channel, "after"))
    assert [event.id for event in stream.take(1)] == [second]
    assert not any(event.event in ("gap", "closing") for event in stream.events)
    eventually(lambda: hub.get("/readyz").json()["status"] != "redis-unavailable")
    back = listen(url, last_event_id=first)
    assert back.verdict(channel)["recovered"] is True
    assert back.take(1)[0].id == second


@pytest.mark.parametrize("way", ["taken over"])
def test_a_redis_that_hangs_is_a_503_and_never_a_false_201(
    own_hub: OwnHub, start_valkey: StartValkey, channel: str, listen: Listen
) -> None:
    redis = start_valkey()
    hub = own_hub(redis.url)
    url = f"{hub.url}/channels/{channel}/events"
    stream = listen(url)
    sent = [hub.publish(channel, "before")]
    redis.pause()
    with ThreadPoolExecutor(4) as pool:
        publishing = [
            pool.submit(hub.post, f"/channels/{channel}/events", json={"data": f"while {n}"})
            for n in range(4)
        ]
        statuses = [future.result().status_code for future in publishing]
    assert statuses == [503] * 4
    redis.resume()
    sent.append(answers(lambda: hub.publish(channel, "after")))
    heard = list(stream.until(lambda s: s.last_id == sent[1]).published)
    # What was answered 503 may have been carried out all the same, but never twice.
    assert [heard[0].id, heard[-1].id] == sent
    assert len({event.data for event in heard}) == len(heard)
    kept = hub.get(f"/channels/{channel}/history").json()["events"]
    assert [event["id"] for event in kept] == [event.id for event in heard]


@pytest.mark.parametrize("way", ["taken over"])
def test_a_redis_that_comes_back_empty_is_a_gap(
    own_hub: OwnHub, start_valkey: StartValkey, channel: str, listen: Listen
) -> None:
    redis = start_valkey()
    hub = own_hub(redis.url, HUB_HEARTBEAT_SECONDS="1")
    stream = listen(f"{hub.url}/channels/{channel}/events")
    old = hub.publish(channel, "before")
    stream.take(1)
    redis.kill()
    redis.start()
    new = answers(lambda: hub.publish(channel, "after"))
    gap = stream.next("gap")
    assert json.loads(gap.data) == {"channel": channel, "after": old, "reason": "unknown-id"}
    assert [event.id for event in stream.take(1)] == [new]
    assert [int(n) for n in new.split("-")] > [int(n) for n in old.split("-")]
