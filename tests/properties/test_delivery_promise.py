"""The promise of contract §2, in worlds made from seeds: "per channel, each listener gets every
event published after its position, once, in order, … as long as the history reaches back that far;
where it does not, the listener is told".

A world is two web processes' delivery in one process that gevent has patched, on a Valkey of its
own; `python -m tests.properties URL --profile P --seed N --shrink` shows one of them again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.properties.plan import PROFILES
from tests.support.process import Process
from tests.support.valkey import Valkey

SEEDS = 24
PROMISES = {
    "whole": "hears every event once and in order and is never told of a loss",
    "faults": "notices nothing of broken connections, lost scripts and lost announcements",
    "trimmed": "is told exactly where the history no longer reached back",
    "deleted": "is told of each deletion, and hears everything else",
    "ending": "of a channel with snapshots hears them or everything, then the end, then 204",
    "emptied": "is never left to guess when Redis has lost its data",
}


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Process]]:
    """One process for each profile, all at once: they wait more than they work."""
    servers, running = [], {}
    for profile in PROFILES:
        place = tmp_path_factory.mktemp("w")
        servers.append(Valkey(place).start())
        running[profile] = _worlds(profile, servers[-1], place)
    yield running
    for process in (*running.values(), *servers):
        process.end()


def _worlds(profile: str, server: Valkey, place: Path) -> Process:
    arguments = [server.url, "--profile", profile, "--seeds", "0", str(SEEDS)]
    command = [sys.executable, "-W", "error", "-m", "tests.properties", *arguments]
    return Process(f"worlds ({profile})", command, place / "log-of-worlds").start()


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES, ids=[f"a listener {PROMISES[p]}" for p in PROFILES])
def test_in_every_world(profile: str, worlds: dict[str, Process]) -> None:
    process = worlds[profile]
    assert process.wait(300) == 0, process.log()
