"""A response says one tool call after the other, however its provider mixes their pieces."""

from __future__ import annotations

import json
import random
from itertools import groupby
from typing import Any

import pytest

from workers.openai.responses_output import MAX_TURNS, Output

ARGUMENTS = ['{"city":"Sankt Pölten","more":{"a":{}}}', '{"zone":"Europe/\\"Vienna\\""}', "{}"]


def opening(index: int) -> dict[str, Any]:
    function = {"name": f"tool_{index}", "arguments": ""}
    return {"index": index, "id": f"call_{index}", "function": function}


def pieces(index: int, size: int) -> list[dict[str, Any]]:
    text = ARGUMENTS[index]
    cut = [text[at : at + size] for at in range(0, len(text), size)]
    return [{"index": index, "function": {"arguments": piece}} for piece in cut]


def one_by_one(size: int) -> list[dict[str, Any]]:
    return [one for index in range(3) for one in (opening(index), *pieces(index, size))]


def mixed(seed: int) -> list[dict[str, Any]]:
    dice = random.Random(seed)
    rows = [[opening(index), *pieces(index, dice.randrange(1, 6))] for index in range(3)]
    found = [rows[0].pop(0)]
    while any(rows):
        found.append(dice.choice([row for row in rows if row]).pop(0))
    # Calls are numbered as they open.
    order = list(dict.fromkeys(piece["index"] for piece in found))
    return found if order == [0, 1, 2] else mixed(seed + 1000)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_calls_that_come_one_by_one_are_said_as_they_come(size: int) -> None:
    output = Output("x")
    for piece in one_by_one(size):
        output, said = output.add({"index": 0, "tool_calls": [piece]})
        wanted = piece["function"]["arguments"]
        assert [fields["delta"] for _, fields in said if "delta" in fields] == [wanted] * bool(
            wanted
        )


@pytest.mark.parametrize("seed", range(20))
def test_calls_that_come_by_turns_are_said_whole_and_one_after_the_other(seed: int) -> None:
    output, said = Output("x"), []
    for piece in mixed(seed):
        output, more = output.add({"index": 0, "tool_calls": [piece]})
        said += more
    output, more = output.finish()
    said += more

    assert [index for index, _ in groupby(fields["output_index"] for _, fields in said)] == [
        0,
        1,
        2,
    ]
    for index, arguments in enumerate(ARGUMENTS):
        told = [(event, fields) for event, fields in said if fields["output_index"] == index]
        assert told[0][0] == "response.output_item.added"
        assert told[0][1]["item"]["call_id"] == f"call_{index}"
        assert told[0][1]["item"]["name"] == f"tool_{index}"
        assert "".join(fields.get("delta", "") for _, fields in told) == arguments
        assert told[-1][0] == "response.output_item.done"
        assert json.loads(told[-1][1]["item"]["arguments"]) == json.loads(arguments)


def test_turns_without_end_between_text_thoughts_and_calls_cost_each_delta_the_same() -> None:
    """20,000 of them took ten seconds, 40,000 forty-six: each delta made all items anew."""
    output = Output("g")
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "1"}}
    for number in range(4000):
        for delta in (
            {"reasoning": "r"} if number % 2 else {"tool_calls": [call]},
            {"content": "x"},
        ):
            output, _ = output.add({"index": 0, **delta})
    output, _ = output.finish()
    assert len(output.items) < MAX_TURNS + 10
    items = output.to_json()
    said = "".join(part["text"] for item in items for part in item.get("content", ()))
    assert (said.count("x"), said.count("r")) == (4000, 2000)
    assert [item["arguments"] for item in items if "arguments" in item] == ["1" * 2000]


def test_what_comes_for_a_call_that_is_complete_makes_no_second_one() -> None:
    """Under load a whole call is in one delta, and its provider's last, empty piece in the next."""
    output, said = Output("x"), []
    whole = [opening(index) | pieces(index, 100)[0] for index in range(2)]
    late = [{"index": index, "function": {"arguments": ""}, "cost": 1} for index in range(2)]
    for calls in (whole, late):
        output, more = output.add({"index": 0, "tool_calls": calls})
        said += more
    output, more = output.finish()
    said += more

    begun = [fields["item"] for event, fields in said if event == "response.output_item.added"]
    assert [item["call_id"] for item in begun] == ["call_0", "call_1"]
    items = [(item["call_id"], item["arguments"], item["cost"]) for item in output.to_json()]
    assert items == [("call_0", ARGUMENTS[0], 1), ("call_1", ARGUMENTS[1], 1)]
