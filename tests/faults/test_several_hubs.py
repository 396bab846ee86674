"""Two hubs on one Redis, told apart by database or by prefix: nothing of one reaches the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub import Hub
from hub.settings import Settings
from hub.store.keys import Keys
from tests.support.deadline import eventually
from tests.support.process import Process
from tests.support.provider import ScriptedProvider
from tests.support.stack import Stack, clean_environ
from tests.support.stream import EventStream
from tests.support.valkey import Valkey

Listen = Callable[..., EventStream]
HOW = ("database", "prefix")
SILENCE = {"heartbeat": 1}


@pytest.fixture(params=HOW)
def environs(request: pytest.FixtureRequest, valkey: Valkey) -> list[dict[str, str]]:
    if request.param == "database":
        return [{"REDIS_URL": f"{valkey.url}?db={number}"} for number in (0, 1)]
    return [{"REDIS_URL": valkey.url, "HUB_KEY_PREFIX": name} for name in ("shop", "shop2")]


@pytest.fixture
def hubs(
    environs: list[dict[str, str]],
    provider: ScriptedProvider,
    tmp_path: Path,
    processes: list[Process],
) -> Iterator[list[Stack]]:
    """Each with a web process and a worker."""
    hubs = []
    for number, environ in enumerate(environs):
        place = tmp_path / str(number)
        place.mkdir()
        env = {
            **clean_environ(),
            "OPENAI_BASE_URL": provider.base_url,
            "OPENAI_API_KEY": "a-key-of-the-tests",
            "HUB_MODEL": f"model-of-{number}",
            "HUB_LEASE_SECONDS": "1",
            **environ,
        }
        hubs.append(Stack(place, env))
        processes.extend((*hubs[-1].webs, *hubs[-1].workers))
        hubs[-1].start()
    yield hubs
    for hub in hubs:
        hub.end()


def figure(hub: Stack, name: str) -> float:
    lines = hub.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def test_events_deletions_and_listeners_stay_with_their_hub(
    hubs: list[Stack], listen: Listen
) -> None:
    one, other = hubs
    here = listen(f"{one.url}/channels/news/events", query=SILENCE)
    there = listen(f"{other.url}/channels/news/events", query=SILENCE)
    for stream in (here, there):
        stream.next("subscribed")

    published = one.publish("news", "for the one")
    assert here.take(1)[0].id == published
    assert one.delete("/channels/news").status_code == 204
    here.next("gap")
    mine = other.publish("news", "for the other")

    # Had anything crossed, it would stand in front of this.
    assert [event.id for event in there.take(1)] == [mine]
    assert not [event for event in there.events if event.event == "gap"]
    assert one.get("/channels/news").json()["retained"] == 0
    assert other.get("/channels/news").json()["retained"] == 1
    for hub in hubs:
        eventually(lambda hub=hub: hub.get("/channels/news").json()["listeners"] == 1)  # type: ignore[misc]
        beat = json.loads((here if hub is one else there).next("heartbeat").data)
        assert beat["listeners"] == {"news": 1}


def test_generations_jobs_and_figures_stay_with_their_hub(
    hubs: list[Stack], provider: ScriptedProvider
) -> None:
    one, other = hubs
    [worker] = one.workers
    worker.end()

    waiting = one.generate("nobody is here to answer")
    made = other.generate("hello")

    assert other.finished(made)["status"] == "completed"
    assert one.generation(waiting)["status"] == "queued"
    assert other.get(f"/generations/{waiting}").status_code == 404
    assert [g["id"] for g in one.get("/generations").json()["generations"]] == [waiting]
    assert [g["id"] for g in other.get("/generations").json()["generations"]] == [made]
    assert {asked["model"] for asked in provider.requests} == {"model-of-1"}
    assert (figure(one, "hubbub_jobs_queued"), figure(other, "hubbub_jobs_queued")) == (1, 0)
    assert figure(one, 'hubbub_generations_total{status="completed"}') == 0
    assert figure(other, 'hubbub_generations_total{status="completed"}') == 1
    eventually(lambda: one.get("/readyz").json()["status"] == "no-worker", 15)
    assert other.get("/readyz").status_code == 200


def test_an_end_is_announced_to_the_workers_of_its_hub_alone(
    environs: list[dict[str, str]], valkey: Valkey
) -> None:
    names = set()
    for environ in environs:
        settings = Settings.from_environ(environ)
        with Hub.from_url(environ["REDIS_URL"], settings) as hub:
            keys = hub.history.link.keys
            names |= {keys.pubsub("jobs", "control"), keys.pubsub("news")}
    assert len(names) == 4


def test_no_two_hubs_make_the_same_name() -> None:
    hubs = [Keys(prefix, database) for prefix in ("a", "a:1", "a-1", "a.1") for database in (0, 1)]
    names = [keys.pubsub(tag, part) for keys in hubs for tag in ("n", "1") for part in ("", "p")]
    assert len(set(names)) == len(names)


def test_from_code_the_prefix_is_the_environment_s(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_KEY_PREFIX", "shop")
    with Hub.from_url(valkey.url) as hub, valkey.client() as client:
        hub.publish("news", "x")
        assert {key.partition(b":")[0] for key in client.keys("*")} == {b"shop"}
