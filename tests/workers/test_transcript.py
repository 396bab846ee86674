"""The log of deltas and what it adds up to."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from workers.transcript import Transcript, delta_json, with_all

HARD = ["  ", "\n", "\r\n", "\t", '"', "\\", "\u2028", "ß", "🙂", "\x00", "\x7f", "</script>", "a"]


def folded(*deltas: tuple[Any, ...]) -> list[dict[str, Any]]:
    transcript = Transcript()
    for delta in deltas:
        transcript.add(json.loads(delta_json(*delta)))
    return transcript.choices_json()


@pytest.mark.parametrize("seed", range(20))
def test_the_choices_are_byte_for_byte_the_deltas_in_order(seed: int) -> None:
    random = Random(seed)
    deltas = [
        (
            random.randrange(3),
            random.choice(("content", "reasoning", "refusal")),
            "".join(random.choices(HARD, k=random.randrange(1, 6))),
        )
        for _ in range(200)
    ]
    for choice in folded(*deltas):
        for kind in ("content", "reasoning", "refusal"):
            text = "".join(t for i, k, t in deltas if (i, k) == (choice["index"], kind))
            assert choice.get(kind, "") == text


@pytest.mark.parametrize("text", HARD)
def test_a_delta_s_data_is_one_line_of_json(text: str) -> None:
    data = delta_json(2, "content", text)
    assert "\n" not in data and "\r" not in data
    assert json.loads(data) == {"index": 2, "content": text}


def test_tool_calls_are_put_together_by_their_index() -> None:
    (choice,) = folded(
        (0, "tool_calls", [{"index": 0, "id": "a", "type": "function", "function": {"name": "f"}}]),
        (0, "tool_calls", [{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{"}}]),
        (0, "tool_calls", [{"index": 0, "function": {"arguments": '{"x"'}}]),
        (0, "tool_calls", [{"index": 1, "function": {"arguments": "}"}}]),
        (0, "tool_calls", [{"index": 0, "function": {"arguments": ":1}"}}]),
    )
    assert choice["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]


def test_a_choice_without_a_delta_is_there_if_it_was_asked_for() -> None:
    empty: dict[str, object] = {
        "content": "",
        "reasoning": "",
        "tool_calls": [],
        "finish_reason": None,
    }
    assert with_all([], range(2), {}) == [{"index": 0, **empty}, {"index": 1, **empty}]
    assert folded() == []


def test_logprobs_are_gathered_with_their_choice() -> None:
    (choice,) = folded(
        *((0, "content", t, {"content": [{"token": t}], "refusal": None}) for t in "ab")
    )
    assert choice["logprobs"] == {"content": [{"token": "a"}, {"token": "b"}]}


def test_what_was_read_does_not_change_when_more_is_added() -> None:
    transcript = Transcript()
    piece = {"index": 0, "function": {"arguments": "{"}}
    delta = {"index": 0, "content": "a", "tool_calls": [piece], "logprobs": {"content": [1]}}
    transcript.add(delta)
    before = transcript.choices_json()
    as_it_was = json.dumps(before)
    transcript.add(delta)
    assert json.dumps(before) == as_it_was
    assert transcript.choices_json() != before
