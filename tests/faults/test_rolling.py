"""A rolling deploy: two versions of the hub on one Redis at once lose nothing, either way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartStack
from tests.faults.conftest import MakeAudience, StartPublisher
from tests.faults.tab import Tab
from tests.support.deadline import eventually
from tests.support.provider import Gate, Script, ScriptedProvider, deltas_of, text_for
from tests.support.real import ROOT
from tests.support.stack import Stack
from tests.versions import unpack

TEXT = text_for("a question", words=60)
DELTAS = len(deltas_of(TEXT))
LEASE = {"HUB_LEASE_SECONDS": "1.5"}
LISTENERS = int(os.environ.get("HUBBUB_TEST_LISTENERS", "20"))
"""200 for the figure in docs/deploy.md."""


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("earlier"))


@pytest.fixture(params=["forward", "back"])
def versions(request: pytest.FixtureRequest, earlier: Path) -> tuple[Path, Path]:
    """The version that runs, and the one that takes its place."""
    return (earlier, ROOT) if request.param == "forward" else (ROOT, earlier)


@pytest.fixture
def gate(provider: ScriptedProvider) -> Gate:
    gate = Gate()
    provider.default = Script(TEXT, gate=gate)
    return gate


@pytest.fixture
def tabs() -> Iterator[list[Tab]]:
    opened: list[Tab] = []
    yield opened
    for tab in opened:
        tab.stop()


def watch(hub: Stack, generation_id: str, tabs: list[Tab], **options: int) -> list[Tab]:
    """A tab that begins at each web process, and goes to the next whenever its stream ends."""
    urls = [web.url for web in hub.webs]
    found = [Tab(urls[n:] + urls[:n], generation_id, **options) for n in range(len(urls))]
    tabs += found
    return found


def restarted(tab: Tab, times: int) -> None:
    eventually(lambda: len(tab.restarts) == times, 30)


def whole(hub: Stack, generation_id: str, watching: list[Tab]) -> None:
    """Each tab, and each web process' record, has the whole text once."""
    for tab in watching:
        tab.ended()
        assert (tab.terminal, tab.text) == ("completed", TEXT)
    for web in hub.webs:
        found = web.finished(generation_id)
        assert (found["status"], found["choices"][0]["content"]) == ("completed", TEXT)


def test_every_part_is_replaced_in_turn_and_nobody_misses_anything(
    stack: StartStack,
    versions: tuple[Path, Path],
    gate: Gate,
    tabs: list[Tab],
    audience: MakeAudience,
    publish: StartPublisher,
) -> None:
    before, after = versions
    hub = stack(LEASE, webs=2, workers=2, tree=before)
    urls = [web.url for web in hub.webs]
    # A process that starts on a busy machine has requests waiting as long as that takes.
    publisher = publish(urls, "news", patience_seconds=90)
    listeners = audience(urls, "news", count=LISTENERS, wander_seconds=1.0)
    generation_id = hub.generate("a question")
    watching = watch(hub, generation_id, tabs)
    gate.release(5)
    for tab in watching:
        tab.shows("".join(deltas_of(TEXT)[:5]))
    for process in (*hub.workers, *hub.webs):
        sent = publisher.acknowledged
        process.terminate()
        process.cwd = after
        process.start()
        publisher.reached(sent + 50, within_seconds=90)
        gate.release(DELTAS // 8)
        hub.until_ready(60)
    gate.open()
    whole(hub, generation_id, watching)
    listeners.has_all(publisher.finish())
    told = sum(one.closings["shutdown"] for one in listeners.listeners)
    print(f"{publisher.acknowledged} events, each to {LISTENERS} listeners; {told} closings told")


@pytest.fixture
def both(stack: StartStack, versions: tuple[Path, Path], provider: ScriptedProvider) -> Stack:
    """A web process of each version, and the worker of the second."""
    hub = stack(LEASE, workers=0, provider=provider.base_url, tree=versions[0])
    hub.tree = versions[1]
    hub.add_web()
    hub.add_worker()
    hub.until_ready()
    return hub


def test_a_version_s_questions_are_answered_by_the_other_s_worker(
    both: Stack, gate: Gate, tabs: list[Tab]
) -> None:
    for web in both.webs:
        generation_id = web.generate("a question", metadata={"a": "b"}, stop=["x"])
        watching = watch(both, generation_id, tabs, cut_after=4)
        gate.release(8)
        for tab in watching:
            tab.shows("".join(deltas_of(TEXT)[:8]))
        gate.release(DELTAS)
        whole(both, generation_id, watching)


def test_what_a_killed_worker_began_the_other_version_s_takes_over(
    both: Stack, versions: tuple[Path, Path], gate: Gate, tabs: list[Tab]
) -> None:
    generation_id = both.generate("a question")
    watching = watch(both, generation_id, tabs)
    for attempt, tree in enumerate(versions):
        gate.release(12)  # the call that was broken off may take one
        for tab in watching:
            restarted(tab, attempt)
            tab.shows("".join(deltas_of(TEXT)[:4]))
        both.worker.kill()
        both.worker.cwd = tree
        both.worker.start()
    gate.open()
    whole(both, generation_id, watching)


def test_what_one_version_did_the_other_knows(both: Stack, gate: Gate) -> None:
    for asked, repeated in (both.webs, both.webs[::-1]):
        key = {"Idempotency-Key": f"key of {asked.name}"}
        answers = [
            web.post("/channels/news/events", json={"data": 1}, headers=key)
            for web in (asked, repeated)
        ]
        assert [answer.status_code for answer in answers] == [201, 200]
        assert answers[0].json() == answers[1].json()
        generation_id = asked.generate("a question")
        gate.release()
        assert repeated.post(f"/generations/{generation_id}/cancel").status_code == 200
        assert asked.finished(generation_id)["status"] == "cancelled"
        assert repeated.delete(f"/generations/{generation_id}").status_code == 204
        assert asked.get(f"/generations/{generation_id}").status_code == 404
        assert asked.delete("/channels/news").status_code == 204
        assert repeated.get("/channels/news").json()["retained"] == 0
