"""Worker processes against a provider over HTTP: starting, many at a time, stopping what is ended.

What happens when a worker dies, stands still or loses Redis is in `tests/faults/test_workers.py`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import pytest

from tests.conftest import StartStack
from tests.support.deadline import eventually, patience
from tests.support.provider import Gate, Script, ScriptedProvider, text_for
from tests.support.real import ROOT
from tests.support.stack import Stack, clean_environ
from workers.generation import Generation
from workers.request import Request
from workers.store import Generations

LEASE = {"HUB_LEASE_SECONDS": "1"}
CLOSE_SECONDS = 0.5


@pytest.fixture
def gate(provider: ScriptedProvider) -> Gate:
    """What the provider waits for before each delta of its answer to `slowly`."""
    gate = Gate()
    provider.scripts["slowly"] = Script(text_for("slowly"), gate=gate)
    return gate


def asked(generations: Generations, prompt: str) -> Generation:
    return generations.create(Request([{"role": "user", "content": prompt}])).generation


def content(generations: Generations, generation: Generation) -> str:
    choices = generations.read(generation.id).choices
    return "".join(choice["content"] for choice in choices)


def begun(generations: Generations, gate: Gate) -> Generation:
    generation = asked(generations, "slowly")
    gate.release(3)
    eventually(lambda: content(generations, generation))
    return generation


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, "REDIS_URL"),
        ({"REDIS_URL": "redis://127.0.0.1:1"}, "OPENAI_BASE_URL"),
        ({"REDIS_URL": "http://127.0.0.1"}, "REDIS_URL"),
        ({"HUB_LEASE_SECONDS": "soon"}, "HUB_LEASE_SECONDS"),
    ],
)
def test_a_setting_that_is_missing_or_wrong_ends_the_start_with_one_line(
    environ: dict[str, str], named: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "workers"],
        cwd=ROOT,
        env={**clean_environ(), **environ},
        capture_output=True,
        text=True,
        timeout=30 * patience(),
        check=False,
    )
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert named in line


def test_a_worker_runs_many_generations_at_a_time(
    stack: StartStack, generations: Generations, provider: ScriptedProvider, gate: Gate
) -> None:
    stack(webs=0)
    running = [asked(generations, "slowly") for _ in range(60)]
    eventually(lambda: provider.running == 60)
    gate.open()
    for generation in running:
        eventually(lambda one=generation: not generations.get(one.id).active)  # type: ignore[misc]
        assert content(generations, generation) == text_for("slowly")
    eventually(lambda: generations.queue.counts().running == 0)
    totals = generations.queue.counts().totals
    assert (totals["ended:completed"], totals["first_delta:count"]) == (60, 60)


def test_a_full_worker_leaves_the_rest_to_others(
    stack: StartStack, generations: Generations, provider: ScriptedProvider, gate: Gate
) -> None:
    hub: Stack = stack({**LEASE, "HUB_WORKER_CONCURRENCY": "2"}, webs=0)
    for _ in range(3):
        asked(generations, "slowly")
    eventually(lambda: provider.running == 2)
    assert generations.queue.counts().queued == 1
    hub.add_worker()
    eventually(lambda: provider.running == 3)
    gate.open()
    eventually(lambda: generations.queue.counts().totals.get("ended:completed") == 3)


def closed(provider: ScriptedProvider) -> float:
    """How long it takes until no answer is running at the provider."""
    since = time.monotonic()
    eventually(lambda: provider.running == 0, every_seconds=0.005)
    assert provider.abandoned == 1
    return time.monotonic() - since


def test_cancelling_closes_the_provider_s_connection_at_once_and_keeps_the_text(
    stack: StartStack, generations: Generations, provider: ScriptedProvider, gate: Gate
) -> None:
    stack(webs=0)  # the lease is 15 s: no renewal helps
    generation = begun(generations, gate)
    generations.cancel(generation.id, "ann")
    assert closed(provider) < CLOSE_SECONDS
    text = content(generations, generation)
    assert text and text_for("slowly").startswith(text)
    assert generations.get(generation.id).status == "cancelled"


def test_cancelling_before_the_provider_has_said_anything_closes_its_connection(
    stack: StartStack, generations: Generations, provider: ScriptedProvider, gate: Gate
) -> None:
    stack(webs=0)
    generation = asked(generations, "slowly")
    eventually(lambda: provider.running == 1)
    generations.cancel(generation.id, "ann")
    assert closed(provider) < CLOSE_SECONDS


def test_deleting_closes_the_provider_s_connection(
    stack: StartStack, generations: Generations, provider: ScriptedProvider, gate: Gate
) -> None:
    stack(webs=0)
    generations.delete(begun(generations, gate).id, "ann")
    assert closed(provider) < CLOSE_SECONDS


def test_a_cancel_that_a_worker_did_not_hear_is_found_at_the_next_renewal(
    stack: StartStack,
    generations: Generations,
    provider: ScriptedProvider,
    gate: Gate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stack(LEASE, webs=0)
    generation = begun(generations, gate)
    monkeypatch.setattr(generations.queue, "announce_end", lambda _: None)
    generations.cancel(generation.id, "ann")
    assert closed(provider) < 5


def test_a_generation_that_is_cancelled_while_it_waits_never_reaches_the_provider(
    stack: StartStack, generations: Generations, provider: ScriptedProvider
) -> None:
    cancelled = asked(generations, "cancelled")
    generations.cancel(cancelled.id, "ann")
    stack(webs=0)
    after = asked(generations, "after")
    eventually(lambda: generations.get(after.id).status == "completed")
    assert [body["messages"][-1]["content"] for body in provider.requests] == ["after"]


def test_the_first_delta_is_in_the_channel_while_the_provider_still_thinks(
    stack: StartStack, generations: Generations, gate: Gate
) -> None:
    stack(webs=0)
    generation = asked(generations, "slowly")
    gate.release(1)
    eventually(lambda: content(generations, generation) == text_for("slowly")[:4])


def test_a_failure_of_the_provider_ends_the_generation_in_words(
    stack: StartStack, generations: Generations, provider: ScriptedProvider
) -> None:
    provider.default = Script(status=401, error={"error": {"message": "bad key"}})
    stack(webs=0)
    generation = asked(generations, "x")
    eventually(lambda: not generations.get(generation.id).active)
    found = generations.get(generation.id)
    assert found.terminal is not None
    assert found.terminal.type == "failed"
    assert found.terminal.data["code"] == "provider-auth"
    assert "bad key" in found.terminal.data["message"]


def test_what_is_asked_and_preset_reaches_the_provider(
    stack: StartStack, generations: Generations, provider: ScriptedProvider
) -> None:
    stack({"HUB_SYSTEM_PROMPT": "Be brief."}, webs=0)
    asked_for = Request(
        [{"role": "user", "content": "x"}],
        model="m",
        temperature=0.5,
        max_tokens=7,
        stop=["END"],
        extra={"seed": 1},
    )
    own_system = replace(asked_for, messages=[{"role": "system", "content": "Sing."}])
    for request in (asked_for, own_system):
        generation = generations.create(request).generation
        eventually(lambda one=generation: not generations.get(one.id).active)  # type: ignore[misc]
    first, second = provider.requests
    assert first["messages"][0] == {"role": "system", "content": "Be brief."}
    assert second["messages"] == [{"role": "system", "content": "Sing."}]
    wanted = {"model": "m", "temperature": 0.5, "max_tokens": 7, "stop": ["END"], "seed": 1}
    assert {name: first[name] for name in wanted} == wanted


def test_an_idle_worker_ends_at_once_and_is_not_seen_any_more(
    stack: StartStack, generations: Generations
) -> None:
    hub: Stack = stack(webs=0)
    eventually(lambda: generations.queue.counts().workers == 1)
    since = time.monotonic()
    assert hub.worker.terminate() == 0
    assert time.monotonic() - since < 1.5 * patience()
    assert generations.queue.counts().workers == 0


def test_a_silent_model_outlives_the_time_that_the_history_is_kept(
    stack: StartStack, generations: Generations, gate: Gate
) -> None:
    stack({"HUB_HISTORY_SECONDS": "1"}, webs=0)
    generation = begun(generations, gate)
    key = f"hub:{{{generation.channel}}}:record"
    client = generations.history.link.client
    began = time.monotonic()
    eventually(lambda: not client.exists(key) or time.monotonic() - began > 2.5)
    gate.open()
    eventually(lambda: generations.get(generation.id).status == "completed")
    assert content(generations, generation) == text_for("slowly")


def test_a_generation_s_own_events_are_not_bound_by_the_limit_for_publishers(
    stack: StartStack, generations: Generations, gate: Gate
) -> None:
    small = {"HUB_MAX_EVENT_BYTES": "10"}
    stack(small, webs=0)
    gate.open()
    generation = asked(generations, "slowly")
    eventually(lambda: generations.get(generation.id).status == "completed")
    assert content(generations, generation) == text_for("slowly")
    web = Generations(
        generations.history, generations.queue, replace(generations.settings, max_event_bytes=10)
    )
    assert web.cancel(asked(web, "slowly").id, "somebody").status in ("cancelled", "completed")
