"""A generation's record and its JSON."""

from __future__ import annotations

import pytest

from hub.channel import check_channel
from hub.errors import NotFound
from workers.generation import Generation, Terminal, channel_of, check_id, new_id
from workers.request import Request

ASKED = Request([{"role": "user", "content": "Why?"}], n=2, stop=[], tools=[], metadata={"a": "b"})
QUEUED = Generation("abc", ASKED, "queued", 1_700_000_000_123, model="m", owner="ann")


def stored(**fields: str) -> Generation:
    first = {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in QUEUED.first_fields().items()
    }
    found = Generation.from_fields("abc", {**first, **fields})
    assert found is not None
    return found


def test_every_id_makes_a_channel_s_name() -> None:
    ids = {new_id() for _ in range(2_000)}
    assert len(ids) == 2_000
    for generation_id in ids:
        assert not generation_id.startswith(
            "-"
        )  # one in 64 did: `hubbub tail` took it for an option
        assert check_id(generation_id) == generation_id
        check_channel(channel_of(generation_id))


@pytest.mark.parametrize("generation_id", ["", "a/b", "a b", "ä", "a\n", "{x}", "x" * 118])
def test_an_id_that_cannot_be_one_is_an_unknown_generation(generation_id: str) -> None:
    with pytest.raises(NotFound):
        check_id(generation_id)


def test_what_was_asked_survives_its_record() -> None:
    assert stored() == QUEUED


def test_without_a_record_there_is_no_generation() -> None:
    assert Generation.from_fields("abc", {}) is None


def test_a_queued_one_has_its_choices_and_no_times() -> None:
    found = stored().to_json([], 3)
    assert list(found) == [
        "id", "status", "model", "created", "started", "finished", "attempt", "choices", "usage",
        "cost", "error", "question", "metadata", "page", "listeners",
    ]  # fmt: skip
    assert found["created"] == "2023-11-14T22:13:20.123Z"
    assert (found["started"], found["finished"], found["attempt"]) == (None, None, 0)
    assert [choice["index"] for choice in found["choices"]] == [0, 1]
    assert found["listeners"] == 3


def test_a_completed_one_tells_reasons_usage_and_cost() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    end = Terminal.completed({1: "length", 0: "stop"}, usage, 0.5)
    found = stored(started="1700000000200", attempt="2", **end.fields(1_700_000_001_000))
    body = found.to_json([{"index": 1, "content": "x"}], 0)
    assert body["status"] == "completed"
    assert [(c["content"], c["finish_reason"]) for c in body["choices"]] == [
        ("", "stop"),
        ("x", "length"),
    ]
    assert (body["usage"], body["cost"], body["error"]) == (usage, 0.5, None)
    assert (body["attempt"], body["finished"]) == (2, "2023-11-14T22:13:21.000Z")


def test_a_failed_one_tells_why() -> None:
    end = Terminal.failed("stall-timeout", "nothing came", retryable=True)
    body = stored(**end.fields(1)).to_json([], 0)
    assert body["error"] == {
        "code": "stall-timeout",
        "message": "nothing came",
        "retryable": True,
    }
    assert body["usage"] is None
