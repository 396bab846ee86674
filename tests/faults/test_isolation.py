"""One generation's trouble is its own: whatever its provider says, it ends in words at the first
attempt, and the one beside it does not notice.
"""

from __future__ import annotations

import pytest

from tests.conftest import StartStack, StartValkey
from tests.faults.poison import BEFORE, CODES, POISON, answer
from tests.support.deadline import eventually
from tests.support.provider import Gate, Script, ScriptedProvider, deltas_of, text_for
from tests.support.stack import Stack

TEXT = text_for("a question", words=60)


@pytest.fixture
def gate(provider: ScriptedProvider) -> Gate:
    gate = Gate()
    provider.scripts["a question"] = Script(TEXT, gate=gate)
    return gate


@pytest.fixture(scope="module")
def prices() -> dict[str, str]:
    return {"HUB_PRICES": '{"m": {"prompt": 1.0, "completion": 1.0}}', "HUB_LEASE_SECONDS": "3"}


def test_whatever_a_provider_says_hurts_its_own_generation_alone(
    stack: StartStack, gate: Gate, provider: ScriptedProvider, prices: dict[str, str]
) -> None:
    hub = stack(prices)
    for name in POISON:
        provider.scripts[name] = answer(name)
    healthy = hub.generate("a question")
    gate.release(1)
    shown = 1
    poisoned = {}
    for name in POISON:
        poisoned[name] = hub.generate(name)
        gate.release(1)
        shown += 1
        said = "".join(deltas_of(TEXT)[:shown])
        eventually(lambda said=said: content(hub, healthy) == said, 15)  # type: ignore[misc]
    for name, generation_id in poisoned.items():
        record = hub.finished(generation_id)
        assert record["attempt"] == 1, name
        if record["status"] == "failed":
            assert record["error"]["code"] in CODES, (name, record["error"])
        else:
            assert record["status"] == "completed", name
        assert record["choices"][0]["content"].startswith(BEFORE), name
        channel = f"generation:{generation_id}"
        with hub.events(channel, query={"from": "start"}, timeout=20) as stream:
            assert stream.to_end()[-1].event == record["status"], name
    assert hub.get("/generations").status_code == 200
    gate.open()
    record = hub.finished(healthy)
    assert (record["status"], record["attempt"]) == ("completed", 1)
    assert record["choices"][0]["content"] == TEXT


def content(hub: Stack, generation_id: str) -> str:
    found: str = hub.generation(generation_id)["choices"][0]["content"]
    return found


def test_an_append_that_redis_refuses_for_good_ends_its_generation_and_delays_no_other(
    stack: StartStack, start_valkey: StartValkey, gate: Gate, provider: ScriptedProvider
) -> None:
    server = start_valkey()
    hub = stack(redis_url=server.url)
    with server.client() as client:
        client.config_set("proto-max-bulk-len", 1 << 20)
    healthy = hub.generate("a question")
    provider.scripts["much"] = Script(deltas=["x" * 8000] * 300)
    large = hub.generate("much")
    gate.open()
    assert hub.finished(healthy)["choices"][0]["content"] == TEXT
    record = hub.finished(large)
    assert (record["status"], record["attempt"]) == ("failed", 1)
    assert record["error"]["code"] == "redis-refused"
    assert str(server.socket) not in record["error"]["message"]
    assert len(record["choices"][0]["content"]) > 500_000, "what was stored before stays"
    assert hub.finished(hub.generate("and now?"))["status"] == "completed"


def test_an_answer_that_is_too_large_ends_with_what_came_before(
    stack: StartStack, provider: ScriptedProvider
) -> None:
    hub = stack({"HUB_MAX_ANSWER_BYTES": "100000"})
    provider.scripts["much"] = Script(deltas=["x" * 8000] * 300)
    record = hub.finished(hub.generate("much"))
    assert (record["status"], record["error"]["code"]) == ("failed", "answer-too-large")
    assert record["choices"][0]["content"] == "x" * 96_000
    eventually(lambda: provider.running == 0)
