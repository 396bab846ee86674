"""Each loop of a process is killed in turn, or made to stand still, in real processes: what it was
for goes on, nothing is lost, and the fault is seen from outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.conftest import StartStack, StartValkey
from tests.support.deadline import eventually
from tests.support.orders import Orders
from tests.support.provider import Gate, Script, ScriptedProvider, text_for
from tests.support.stack import Stack, Web
from tests.support.valkey import Valkey

TEXT = text_for("a question", words=60)
LEASE_SECONDS = 3
OF_A_WEB_PROCESS = (
    "feed", "turns", "heartbeats", "presence", "endings", "catch-up", "stalled", "tidy", "waiting",
    "drain", "collector", "producers", "sender",
)  # fmt: skip
OF_A_WORKER = (
    "sender", "claims", "renewals", "records", "polls", "sweeps", "feed", "report",
    "collector", "pulse",
)  # fmt: skip
ENV = {"HUB_LEASE_SECONDS": str(LEASE_SECONDS), "HUB_HEARTBEAT_SECONDS": "1"}


@pytest.fixture
def gate(provider: ScriptedProvider) -> Gate:
    gate = Gate()
    provider.scripts["slowly"] = Script(TEXT, gate=gate)
    return gate


@pytest.fixture
def server(start_valkey: StartValkey) -> Valkey:
    return start_valkey()


@pytest.fixture
def client(server: Valkey) -> Iterator[redis.Redis]:
    with server.client() as client:
        client.connection_pool.connection_kwargs["socket_timeout"] = 20
        yield client


def restarts(web: Web, loop: str) -> float:
    for line in web.get("/metrics").text.splitlines():
        if line.startswith(f'hubbub_loop_restarts_total{{loop="{loop}"}}'):
            return float(line.split()[-1])
    return 0.0


def test_whichever_loop_of_a_web_process_is_killed_its_listeners_miss_nothing(
    stack: StartStack, server: Valkey, client: redis.Redis
) -> None:
    hub = stack(ENV, redis_url=server.url, webs=0, workers=1)
    web = hub.add_web("tests.support.killable_web:app", KILLABLE="web")
    hub.until_ready()
    orders = Orders(client, "web")
    with web.events("news", timeout=30) as early:
        early.next("subscribed")
        early.next("heartbeat")
        said = [web.publish("news", "first")]
        begun = web.post("/generations", json={"prompt": "x", "producer": "client"}).json()
        line = {"data": b'{"content": "x"}', "headers": {"Content-Type": "application/x-ndjson"}}
        assert web.post(begun["deltas"], **line).status_code == 200
        # Those of rooms and of a Cluster's layout come and go, a hub with keys has one more for
        # revocations: tests/unit/test_room.py, tests/access/test_revocations.py.
        assert orders.loops() - {"rooms", "watch"} == set(OF_A_WEB_PROCESS)
        for loop in OF_A_WEB_PROCESS:
            assert orders.give("kill", loop) > 0, f"there is no loop {loop}"
            said.append(web.publish("news", loop))
            eventually(lambda loop=loop: restarts(web, loop) >= 1)  # type: ignore[misc]
            said.append(web.publish("news", "after"))
            with web.events("news", query={"from": "start"}, timeout=30) as late:
                found = late.take(len(said))
                assert [event.id for event in found] == said, f"after {loop} was killed"
                early.next("heartbeat", within_seconds=15)
                eventually(lambda: web.get("/channels/news").json()["listeners"] == 2)
            eventually(lambda: web.get("/readyz").status_code == 200)
        assert [event.id for event in early.published] == said


def test_whichever_loop_of_a_worker_is_killed_its_generations_end_whole_at_the_first_attempt(
    stack: StartStack,
    server: Valkey,
    client: redis.Redis,
    gate: Gate,
    provider: ScriptedProvider,
    tmp_path: Path,
) -> None:
    env = {**ENV, "HUB_PULSE_FILE": str(tmp_path / "pulse")}
    hub = stack(env, redis_url=server.url, workers=0, provider=provider.base_url)
    worker = hub.add_worker("tests.support.killable_worker", KILLABLE="worker")
    hub.until_ready()
    orders = Orders(client, "worker")
    running = hub.generate("slowly")
    gate.release(5)
    eventually(lambda: hub.generation(running)["choices"][0]["content"])
    assert orders.loops() - {"rooms", "watch"} == set(OF_A_WORKER)
    for loop in OF_A_WORKER:
        assert orders.give("kill", loop) > 0, f"there is no loop {loop}"
        gate.release(2)
        asked = hub.finished(hub.generate(f"after {loop}"))
        assert (asked["status"], asked["attempt"]) == ("completed", 1), f"after {loop} was killed"
        assert f"loop {loop} was killed" in worker.log()
    # What each was for goes on: a cancel is heard, and leases are renewed.
    other = hub.generate("slowly")
    eventually(lambda: provider.running == 2)
    hub.post(f"/generations/{other}/cancel")
    eventually(lambda: provider.running == 1)
    eventually(lambda: client.zcard("hub:{jobs}:workers") == 1)
    gate.open()
    record = hub.finished(running)
    assert (record["status"], record["attempt"]) == ("completed", 1)
    assert record["choices"][0]["content"] == TEXT


def test_a_worker_whose_sending_stands_still_loses_its_generations_to_others_and_is_named(
    stack: StartStack, server: Valkey, client: redis.Redis, gate: Gate, provider: ScriptedProvider
) -> None:
    hub: Stack = stack(ENV, redis_url=server.url, workers=0, provider=provider.base_url)
    worker = hub.add_worker("tests.support.killable_worker", KILLABLE="worker")
    hub.until_ready()
    running = hub.generate("slowly")
    gate.release(5)
    eventually(lambda: hub.generation(running)["choices"][0]["content"])
    Orders(client, "worker").give("freeze", "sender")
    gate.release(5)

    def unwell() -> bool:
        answer = hub.get("/readyz")
        return bool(answer.json()["status"] == "worker-unwell")

    eventually(unwell, 20)
    assert "sender" in hub.get("/readyz").json()["detail"]
    assert "loop sender makes no progress" in worker.log()
    waiting = hub.generate("another question")
    hub.add_worker()
    gate.open()
    record = hub.finished(running, 30)
    assert (record["status"], record["attempt"]) == ("completed", 2)
    assert record["choices"][0]["content"] == TEXT
    assert hub.finished(waiting)["attempt"] == 1, "the one that cannot send claims nothing"
    ready = hub.get("/readyz")
    assert (ready.status_code, len(ready.json()["unwell"])) == (200, 1)
