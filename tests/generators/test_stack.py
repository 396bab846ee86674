"""Generators on the real stack: as models of `/generations` and `/v1`, cancelled, lost, limited."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.deadline import eventually
from tests.support.shared import shared_stack
from tests.support.stack import Stack
from tests.support.stream import EventStream

pytestmark = pytest.mark.slow

GENERATORS = ",".join(
    f"{name}=tests.generators.sample:{name}"
    for name in ("plain", "broken", "waiting", "counting", "one_at_a_time")
)

Listen = Callable[..., EventStream]


SETTINGS = {"HUB_GENERATORS": GENERATORS, "HUB_LEASE_SECONDS": "1"}


@pytest.fixture(scope="module")
def hub() -> Iterator[Stack]:
    with shared_stack(SETTINGS) as shared:
        yield shared.hub


def test_a_generator_is_a_model_on_every_face(hub: Stack, listen: Listen) -> None:
    assert {"plain", "counting"} <= {m["id"] for m in hub.get("/v1/models").json()["data"]}

    one = hub.generate("why", model="plain")
    live = listen(f"{hub.url}/generations/{one}/events?from=start")
    live.next("completed", within_seconds=30)
    late = listen(f"{hub.url}/generations/{one}/events?from=snapshot")
    snapshot = json.loads(late.next("snapshot").data)
    record = hub.finished(one)

    data = [{"name": "progress", "data": {"step": n}, "id": "step"} for n in (1, 2)]
    source = {"name": "source", "data": {"url": "https://example.org"}, "id": None}
    seen = [json.loads(event.data) for event in live.events if event.event == "data"]
    assert seen == [*data, source]
    assert snapshot["data"] == record["data"] == [data[1], source]
    assert record["choices"][0]["content"] == "The sea is salty. 🌊"
    assert record["choices"][0]["finish_reason"] == "length"
    assert record["model"] == "plain"
    assert record["usage"]["total_tokens"] == 7


def test_the_faces_of_openai_and_text_are_not_disturbed_by_data(hub: Stack) -> None:
    body = {"model": "plain", "messages": [{"role": "user", "content": "why"}]}
    answer = hub.post("/v1/chat/completions", json=body).json()
    assert answer["choices"][0]["message"]["content"] == "The sea is salty. 🌊"
    streamed = hub.post("/v1/chat/completions", json={**body, "stream": True}).text
    assert '"progress"' not in streamed
    assert streamed.endswith("data: [DONE]\n\n")
    assert hub.post("/v1/responses", json={"model": "plain", "input": "why"}).status_code == 200


def test_a_failure_shows_no_words_of_the_exception(hub: Stack) -> None:
    record = hub.finished(hub.generate("x", model="broken"))

    assert (record["status"], record["attempt"]) == ("failed", 1)
    assert record["error"]["code"] == "generator-failed"
    assert "hunter2" not in json.dumps(record)
    assert "hunter2" in hub.worker.log()


def test_a_cancel_reaches_the_generator_where_it_waits(hub: Stack, tmp_path: Path) -> None:
    note = tmp_path / "note"
    one = hub.generate(str(note), model="waiting")
    eventually(lambda: hub.generation(one)["choices"][0]["content"] == "begun", 20)

    hub.post(f"/generations/{one}/cancel")

    eventually(lambda: note.exists() and note.read_text() == "GeneratorExit", 10)
    assert hub.generation(one)["status"] == "cancelled"


def test_one_that_continues_goes_on_where_its_lost_worker_was(
    stack: Callable[..., Stack], listen: Listen
) -> None:
    hub = stack(SETTINGS)
    one = hub.generate("count", model="counting")
    stream = listen(f"{hub.url}/generations/{one}/events?format=text")
    eventually(lambda: not hub.worker.running, 20)
    hub.add_worker()
    stream.until(lambda stream: stream.ended, 30)

    assert "".join(event.data for event in stream.events) == "0123456789"
    record: dict[str, Any] = hub.finished(one)
    assert (record["status"], record["attempt"]) == ("completed", 2)


def test_its_own_limit_bounds_how_many_answers_it_gives_at_a_time(
    hub: Stack, tmp_path: Path
) -> None:
    ids = [hub.generate(str(tmp_path / "mark"), model="one_at_a_time") for _ in range(5)]

    assert [hub.finished(one)["status"] for one in ids] == ["completed"] * 5
