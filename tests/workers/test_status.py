"""`/status/data`, and the last quarter of an hour in figures."""

from __future__ import annotations

from flask.testing import FlaskClient

from app import create_app
from hub.past import KEPT, PERIOD_SECONDS, Past
from hub.settings import Settings
from hub.store.redis_link import RedisLink
from tests.workers.conftest import MakeQueue, claimed


def test_the_hub_its_redis_its_jobs_and_its_workers_are_told(
    client: FlaskClient, make_queue: MakeQueue
) -> None:
    for number in range(3):
        client.post("/generations", json={"prompt": f"{number}"})
    worker = make_queue("a-worker")
    worker.renew([claimed(worker).entry])
    client.post("/channels/news/events", json={"data": "x"})
    found = client.get("/status/data").get_json()
    assert found["figures"]["published"] == 1
    assert found["jobs"] == {"queued": 2, "running": 1}
    (living,) = found["workers"]
    assert (living["name"], living["jobs"]) == ("a-worker", 1)
    assert 0 < living["lease_seconds"] <= worker.lease_seconds
    (process,) = found["processes"]
    assert process["memory_bytes"] > 1_000_000
    assert found["redis"]["memory_bytes"] > 0
    assert found["redis"]["milliseconds"] >= 0


def test_where_redis_is_away_what_is_known_is_told(settings: Settings) -> None:
    link = RedisLink.from_url("redis://127.0.0.1:9")
    found = create_app(settings, link).test_client().get("/status/data")
    assert found.status_code == 200
    assert found.get_json()["redis"].keys() == {"problem"}
    assert "figures" in found.get_json()


def test_rates_and_lag_are_those_of_the_period_before() -> None:
    now = [100.0]
    past = Past(clock=lambda: now[0])
    past.add({"published": 10, "deliveries": 1000, "lag:3": 1000})
    assert list(past.samples) == []
    grown = {"published": 20, "deliveries": 2000, "lag:3": 1900, "lag:5": 100, "listeners": 7}
    now[0] = 110.0
    past.add(grown)
    (sample,) = past.samples
    assert sample.published_per_second == 1.0
    assert sample.deliveries_per_second == 100.0
    assert sample.lag_seconds == 0.025  # 90 of 100 within 5 ms, the rest within 25 ms
    assert sample.listeners == 7
    now[0] = 115.0
    past.add(grown)
    assert past.samples[-1].lag_seconds is None


def test_the_past_is_a_quarter_of_an_hour_and_no_longer() -> None:
    """However the clock on the wall, which dates the samples, is put."""
    clock = wall = 1000.0
    past = Past(clock=lambda: clock, now=lambda: wall)
    for number in range(2 * KEPT):
        assert past.due()
        past.add({})
        clock += PERIOD_SECONDS / 2
        assert not past.due()
        clock += PERIOD_SECONDS / 2
        wall += PERIOD_SECONDS - (86_400 if number == KEPT // 2 else 0)
    assert len(past.samples) == KEPT
    assert past.samples[-1].time_ms - past.samples[0].time_ms < 900_000
