"""A worker dies, stands still, is asked to end, or loses Redis in mid-answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.conftest import StartStack, StartValkey
from tests.faults.conftest import MakeProxy
from tests.faults.tab import TERMINAL, Tab
from tests.faults.topology import Cluster, Sentinels, slot_of
from tests.support.deadline import eventually
from tests.support.provider import Gate, Script, ScriptedProvider, deltas_of, text_for
from tests.support.stack import Stack
from tests.support.stream import EventStream

TEXT = text_for("a question", words=60)
LEASE = {"HUB_LEASE_SECONDS": "1.5"}
AOF = ("--appendonly", "yes", "--appendfsync", "always")

OpenTabs = Callable[..., list[Tab]]


@pytest.fixture
def gate(provider: ScriptedProvider) -> Gate:
    """What the provider waits for before each delta of `TEXT`."""
    gate = Gate()
    provider.default = Script(TEXT, gate=gate)
    return gate


@pytest.fixture
def tabs() -> Iterator[OpenTabs]:
    opened: list[Tab] = []

    def open_tabs(hub: Stack, generation_id: str) -> list[Tab]:
        urls = [web.url for web in hub.webs]
        found = [Tab(urls, generation_id), Tab(urls, generation_id, cut_after=4)]
        opened.extend(found)
        return found

    yield open_tabs
    for tab in opened:
        tab.stop()


def begun(gate: Gate, hub: Stack, tabs: OpenTabs, deltas: int = 5) -> tuple[str, list[Tab]]:
    """A generation that has said `deltas` deltas, and two tabs that show them."""
    generation_id = hub.generate("a question")
    watching = tabs(hub, generation_id)
    gate.release(deltas)
    for tab in watching:
        tab.shows("".join(deltas_of(TEXT)[:deltas]))
    return generation_id, watching


def all_show_the_whole_text(hub: Stack, generation_id: str, tabs: list[Tab]) -> dict[str, object]:
    for tab in tabs:
        assert (tab.ended().terminal, tab.text) == ("completed", TEXT)
    record: dict[str, object] = hub.finished(generation_id)
    assert hub.generation(generation_id)["choices"][0]["content"] == TEXT
    assert len(terminals(hub, generation_id)) == 1
    return record


def is_at_attempt(hub: Stack, generation_id: str, attempt: int) -> bool:
    return bool(hub.generation(generation_id)["attempt"] == attempt)


def terminals(hub: Stack, generation_id: str) -> list[str]:
    history = hub.get(f"/channels/generation:{generation_id}/history").json()
    return [each["event"] for each in history["events"] if each["event"] in TERMINAL]


def test_a_worker_killed_in_mid_answer_is_replaced_and_every_tab_shows_the_whole_text(
    stack: StartStack, gate: Gate, tabs: OpenTabs
) -> None:
    hub = stack(env=LEASE, webs=2)
    generation_id, watching = begun(gate, hub, tabs)
    hub.worker.kill()
    hub.add_worker()
    gate.open()
    record = all_show_the_whole_text(hub, generation_id, watching)
    assert record["attempt"] == 2
    assert [tab.restarts for tab in watching] == [[{"attempt": 2, "reason": "worker-lost"}]] * 2


def test_a_generation_that_loses_three_workers_has_failed_in_words(
    stack: StartStack, gate: Gate, tabs: OpenTabs
) -> None:
    hub = stack(env=LEASE)
    generation_id, watching = begun(gate, hub, tabs, deltas=2)
    for attempt in (2, 3):
        hub.workers[-1].kill()
        hub.add_worker()
        eventually(partial(is_at_attempt, hub, generation_id, attempt))
    hub.workers[-1].kill()
    hub.add_worker()
    for tab in watching:
        assert tab.ended().terminal == "failed"
        assert tab.ending["code"] == "worker-lost"
    record = hub.finished(generation_id)
    assert (record["status"], record["error"]["code"]) == ("failed", "worker-lost")
    assert len(terminals(hub, generation_id)) == 1


def test_a_worker_that_stood_still_past_its_lease_cannot_write_into_its_successor_s_run(
    stack: StartStack, gate: Gate, tabs: OpenTabs, provider: ScriptedProvider
) -> None:
    hub = stack(env=LEASE)
    generation_id, watching = begun(gate, hub, tabs)
    first = hub.worker
    first.pause()
    hub.add_worker()
    eventually(lambda: hub.generation(generation_id)["attempt"] == 2)
    eventually(lambda: provider.running == 2)
    gate.release(10)  # for both: the frozen one finds its deltas when it wakes up
    first.resume()
    eventually(lambda: provider.abandoned == 1)  # it has noticed, and let go of the provider
    gate.open()
    record = all_show_the_whole_text(hub, generation_id, watching)
    assert record["attempt"] == 2
    assert first.running


def test_redis_gone_in_mid_answer_costs_nothing_where_it_comes_back_with_its_data(
    stack: StartStack, start_valkey: StartValkey, gate: Gate, tabs: OpenTabs
) -> None:
    server = start_valkey(options=AOF)
    hub = stack(env=LEASE, redis_url=server.url)
    generation_id, watching = begun(gate, hub, tabs)
    server.kill()
    gate.open()  # the model does not wait for Redis
    eventually(lambda: "redis is away" in hub.worker.log())
    server.start()
    record = all_show_the_whole_text(hub, generation_id, watching)
    assert record["attempt"] == 1
    assert [tab.restarts for tab in watching] == [[], []]


def test_redis_silent_for_longer_than_the_lease_costs_no_attempt(
    stack: StartStack, start_valkey: StartValkey, gate: Gate, tabs: OpenTabs
) -> None:
    server = start_valkey()
    hub = stack(env=LEASE, workers=2, redis_url=server.url)
    generation_id, watching = begun(gate, hub, tabs)
    server.pause()
    gate.release(10)
    eventually(lambda: hub.get("/readyz").status_code == 503, 20)
    server.resume()
    gate.open()
    record = all_show_the_whole_text(hub, generation_id, watching)
    assert record["attempt"] == 1


def test_redis_back_without_its_data_ends_the_streams_of_what_was_lost(
    stack: StartStack, start_valkey: StartValkey, gate: Gate, tabs: OpenTabs
) -> None:
    server = start_valkey()
    hub = stack(env={**LEASE, "HUB_HEARTBEAT_SECONDS": "2"}, redis_url=server.url)
    _, watching = begun(gate, hub, tabs)
    server.kill()
    server.start()
    gate.open()
    for tab in watching:
        assert tab.ended().terminal == "gone"
    assert hub.worker.running
    whole = hub.generate("a question")
    assert hub.finished(whole)["choices"][0]["content"] == TEXT


def test_a_worker_asked_to_end_finishes_what_it_can_within_the_grace(
    stack: StartStack, gate: Gate, tabs: OpenTabs
) -> None:
    hub = stack(env={"HUB_GRACE_SECONDS": "8"})
    generation_id, watching = begun(gate, hub, tabs)
    hub.worker.resume()
    hub.worker.part.terminate()
    gate.open()
    record = all_show_the_whole_text(hub, generation_id, watching)
    assert record["attempt"] == 1
    assert hub.worker.wait() == 0


def test_a_worker_asked_to_end_hands_over_what_it_cannot_finish_without_waiting_for_the_lease(
    stack: StartStack, gate: Gate, tabs: OpenTabs
) -> None:
    hub = stack(env={"HUB_GRACE_SECONDS": "0.5", "HUB_LEASE_SECONDS": "3600"})
    generation_id, watching = begun(gate, hub, tabs)
    hub.add_worker()
    assert hub.worker.terminate() == 0
    gate.open()
    all_show_the_whole_text(hub, generation_id, watching)
    assert [len(tab.restarts) for tab in watching] == [1, 1]


def test_a_generation_asked_for_while_no_worker_runs_waits_for_one(
    stack: StartStack, gate: Gate, tabs: OpenTabs
) -> None:
    hub = stack(env=LEASE)
    hub.worker.kill()
    eventually(lambda: hub.get("/readyz").status_code == 503, 20)
    generation_id = hub.generate("a question")
    watching = tabs(hub, generation_id)
    hub.add_worker()
    gate.open()
    all_show_the_whole_text(hub, generation_id, watching)


def test_a_cancelled_generation_stays_cancelled_though_its_worker_dies(
    stack: StartStack, gate: Gate, tabs: OpenTabs
) -> None:
    hub = stack(env=LEASE)
    generation_id, watching = begun(gate, hub, tabs)
    hub.worker.kill()
    assert hub.post(f"/generations/{generation_id}/cancel").status_code == 200
    hub.add_worker()
    for tab in watching:
        assert tab.ended().terminal == "cancelled"
    record = hub.generation(generation_id)
    assert (record["status"], record["attempt"]) == ("cancelled", 1)
    assert terminals(hub, generation_id) == ["cancelled"]


@pytest.mark.cluster
def test_a_sentinel_failover_in_mid_answer_leaves_the_text_whole(
    sentinels: Sentinels, stack: StartStack, gate: Gate, tabs: OpenTabs
) -> None:
    hub = stack(env=LEASE, redis_url=sentinels.url)
    generation_id, watching = begun(gate, hub, tabs)
    old = sentinels.primary
    old.kill()
    gate.release(10)
    sentinels.other_than(old)
    gate.open()
    all_show_the_whole_text(hub, generation_id, watching)


@pytest.mark.cluster
def test_a_cluster_whose_primary_dies_in_mid_answer_leaves_the_text_whole(
    cluster: Cluster, stack: StartStack, gate: Gate, tabs: OpenTabs, provider: ScriptedProvider
) -> None:
    hub = stack(redis_url=cluster.url)
    generation_id, watching = begun(gate, hub, tabs)
    slot = slot_of(f"hub:{{generation:{generation_id}}}:record")
    old = cluster.owner(slot)
    old.kill()
    gate.release(10)
    cluster.owner_other_than(old, slot)
    gate.open()
    all_show_the_whole_text(hub, generation_id, watching)
    # And a cancel is heard at once, whichever node it is announced on.
    provider.default = Script(TEXT, gate=Gate())
    waiting = hub.generate("a question")
    eventually(lambda: provider.running == 1)
    hub.post(f"/generations/{waiting}/cancel")
    eventually(lambda: provider.running == 0, 0.5)


def test_a_failover_that_loses_a_generation_s_beginning_shows_nobody_its_text_twice(
    stack: StartStack,
    start_valkey: StartValkey,
    proxy: MakeProxy,
    gate: Gate,
    tabs: OpenTabs,
    provider: ScriptedProvider,
) -> None:
    """The new primary knows the generation as queued, so it is begun anew as the first attempt."""
    old = start_valkey(tcp=True)
    between = proxy(old.port)
    new = start_valkey(tcp=True, options=("--replicaof", "127.0.0.1", str(between.port)))
    front = proxy(old.port)
    hub = stack(env=LEASE, workers=0, redis_url=front.url, provider=provider.base_url)
    generation_id = hub.generate("a question")
    watching = tabs(hub, generation_id)
    record = f"hub:{{generation:{generation_id}}}:record"
    with new.client() as client:
        eventually(lambda: client.exists(record))
        between.go_silent(for_new_ones_too=True)
        hub.add_worker()
        gate.release(5)
        url = f"{hub.url}/generations/{generation_id}/events?format=text"
        with EventStream(url, timeout=30) as text:
            for tab in watching:
                tab.shows("".join(deltas_of(TEXT)[:5]))
            text.take(1)
            client.execute_command("REPLICAOF", "NO", "ONE")
            front.lead_to(new.port)
            old.kill()
            gate.open()
            all_show_the_whole_text(hub, generation_id, watching)
            # What was sent as text alone cannot be taken back.
            assert text.to_end()[-1].event == "failed"
