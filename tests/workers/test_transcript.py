"""The log of deltas and what it adds up to."""

from __future__ import annotations

import json
from random import Random

import pytest

from workers.transcript import choices_json, delta_json, fold

HARD = ["  ", "\n", "\r\n", "\t", '"', "\\", "\u2028", "ß", "🙂", "\x00", "\x7f", "</script>", "a"]


def lines(*deltas: tuple[int, str, object]) -> str:
    return "".join(delta_json(*delta) + "\n" for delta in deltas)


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
    for choice in choices_json(lines(*deltas), range(3)):
        for kind in ("content", "reasoning", "refusal"):
            text = "".join(t for i, k, t in deltas if (i, k) == (choice["index"], kind))
            assert choice.get(kind, "") == text


@pytest.mark.parametrize("text", HARD)
def test_a_delta_s_data_is_one_line_of_json(text: str) -> None:
    data = delta_json(2, "content", text)
    assert "\n" not in data and "\r" not in data
    assert json.loads(data) == {"index": 2, "content": text}


def test_tool_calls_are_put_together_by_their_index() -> None:
    log = lines(
        (0, "tool_calls", [{"index": 0, "id": "a", "type": "function", "function": {"name": "f"}}]),
        (0, "tool_calls", [{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{"}}]),
        (0, "tool_calls", [{"index": 0, "function": {"arguments": '{"x"'}}]),
        (0, "tool_calls", [{"index": 1, "function": {"arguments": "}"}}]),
        (0, "tool_calls", [{"index": 0, "function": {"arguments": ":1}"}}]),
    )
    (choice,) = choices_json(log)
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
    assert choices_json("", range(2), {}) == [{"index": 0, **empty}, {"index": 1, **empty}]
    assert choices_json("") == []


def test_logprobs_are_gathered_with_their_choice() -> None:
    log = "".join(
        delta_json(0, "content", text, {"content": [{"token": text}], "refusal": None}) + "\n"
        for text in "ab"
    )
    (choice,) = choices_json(log)
    assert choice["logprobs"] == {"content": [{"token": "a"}, {"token": "b"}]}
    assert set(fold(log)) == {0}
