"""The clock on the wall is put forward or back by an hour while everything runs.

Periods (heartbeats, deadlines, pauses) are measured on the monotonic clock. What several processes
must agree on stands in Redis, by Redis' clock, which is one on a wall: leases, presence, who lives.
Those of the living hold, and those of the dead lapse no later than without the step.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub.settings import Settings
from hub.store.history import History
from hub.store.redis_link import RedisLink
from tests.conftest import StartStack
from tests.support.clock import WallClock
from tests.support.deadline import deadline, eventually
from tests.support.process import Process
from tests.support.provider import Gate, Script, ScriptedProvider
from tests.support.stream import EventStream
from tests.support.valkey import Valkey
from workers.queue import Queue
from workers.roster import Report, Roster
from workers.silence import LEASES, Silence

pytestmark = pytest.mark.slow

HOUR = 3600
LEASE_SECONDS = 3.0
"""The living must have the processor within three quarters of it."""
LEASE_MS = int(LEASE_SECONDS * 1000)
STEPS = pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["forward", "back"])


@pytest.fixture
def clock(tmp_path: Path) -> WallClock:
    return WallClock(tmp_path)


@pytest.fixture
def redis(clock: WallClock, short_path: Path, processes: list[Process]) -> Valkey:
    server = Valkey(short_path / "stepping")
    server.env |= clock.redis_env
    processes.append(server)
    return server.start()


@pytest.fixture
def link(redis: Valkey) -> Iterator[RedisLink]:
    link = RedisLink.from_url(redis.url)
    yield link
    link.close()


def queue(link: RedisLink, consumer: str) -> Queue:
    return Queue(link, LEASE_SECONDS, consumer, block_seconds=0.02)


@STEPS
def test_a_lease_of_the_living_holds_and_one_of_the_dead_lapses(
    clock: WallClock, link: RedisLink, step: int
) -> None:
    living, dead, other = (queue(link, name) for name in ("living", "dead", "other"))
    living.enqueue("a", "b")
    kept, left = eventually(living.claim), eventually(dead.claim)
    assert kept and left
    assert other.take_over(10) == []
    living.renew([kept.entry])
    clock.put(step)
    began = time.monotonic()
    taken: list[str] = []

    def turn() -> list[str]:
        taken.extend(job.entry for job in other.take_over(10))  # before the living one renews
        assert living.renew([kept.entry]) == set()
        return taken

    assert eventually(turn, 4 * LEASE_SECONDS) == [left.entry]
    assert time.monotonic() - began > LEASE_SECONDS / 5, "nobody had the time to renew"


@STEPS
def test_who_died_counts_no_longer_than_without_the_step(
    clock: WallClock, link: RedisLink, step: int
) -> None:
    living, dead = queue(link, "living"), queue(link, "dead")
    roster = Roster(link, LEASE_SECONDS)
    history = History(link, Settings())

    def turn() -> tuple[list[str], list[str], int]:
        living.renew([])
        roster.report("living", Report(("living",)))
        [(others, _, _)] = history.present("living", {"news": 1}, LEASE_MS)
        names = [worker.name for worker in living.workers()]
        return names, [one.models[0] for one in roster.reports()], others

    turn()
    dead.renew([])
    roster.report("dead", Report(("dead",)))
    history.present("dead", {"news": 5}, LEASE_MS)
    names, reports, others = turn()
    assert sorted(names) == sorted(reports) == ["dead", "living"] and others == 5
    clock.put(step)
    eventually(lambda: turn() == (["living"], ["living"], 0), 3 * LEASE_SECONDS)


@STEPS
def test_a_producer_is_lost_after_its_silence_whatever_the_clock(
    clock: WallClock, link: RedisLink, step: int
) -> None:
    silence = Silence(link, LEASE_SECONDS / 5)
    silence.heard("a")
    clock.put(step)
    eventually(lambda: silence.lost() == ["a"], LEASES * LEASE_SECONDS)


def test_streams_beat_and_answers_come_through_a_clock_that_jumps(
    stack: StartStack,
    provider: ScriptedProvider,
    channel: str,
    listen: Callable[..., EventStream],
    clock: WallClock,
    redis: Valkey,
) -> None:
    """Web, worker and Redis stand on one machine. Every step is followed by an event, some text and
    a heartbeat in its time; the answer is of the first attempt and whole."""
    gate = Gate()
    provider.scripts["long"] = Script("word " * 40, gate=gate)
    settings = {"HUB_HEARTBEAT_SECONDS": "1", "HUB_LEASE_SECONDS": "6"}
    hub = stack({**settings, **clock.python_env}, redis_url=redis.url)
    generation_id = hub.generate("long")
    answer = listen(f"{hub.url}/generations/{generation_id}/events")
    began, ids = time.monotonic(), []
    stream = listen(f"{hub.url}/channels/{channel}/events")
    stream.next("subscribed")
    for step in (HOUR, -HOUR, 0, 5 * HOUR, 0):
        clock.put(step)
        gate.release(4)
        answer.next("delta")
        ids.append(hub.publish(channel, str(step)))
        assert stream.next("message").id == ids[-1]
        give_up = deadline(8)
        for _ in range(3):
            beat = stream.next("heartbeat")
        assert time.monotonic() < give_up
        assert json.loads(beat.data)["listeners"][channel] == 1
        beats = sum(event.event == "heartbeat" for event in stream.events)
        assert beats <= time.monotonic() - began + 1, "they come faster than the clock goes"
        hub.until_ready()
    gate.open()
    record = hub.finished(generation_id)
    assert record["status"] == "completed" and record["attempt"] == 1
    assert record["choices"][0]["content"] == "word " * 40
    assert ids == sorted(ids, key=lambda one: [int(part) for part in one.split("-")])
    assert len(set(ids)) == len(ids)
