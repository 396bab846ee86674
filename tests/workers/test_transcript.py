"""The log of deltas and what it adds up to."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from workers.provider.members import CHOICE, COMPLETION, CONTENT, DELTA, OWN, Carried, unflat
from workers.transcript import Transcript, apart, delta_json, with_all, within

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


def transcript_of(log: str) -> Transcript:
    transcript = Transcript()
    for line in log.split("\n")[:-1]:
        transcript.add(json.loads(line))
    return transcript


def read(log: str) -> list[dict[str, Any]]:
    return transcript_of(log).choices_json()


def lines(*deltas: tuple[Any, ...]) -> str:
    return "".join(delta_json(*delta) + "\n" for delta in deltas)


def carried(**members: object) -> str:
    return delta_json(0, "carried", "", None, {(DELTA, n): v for n, v in members.items()}) + "\n"


def test_a_delta_s_data_may_hold_nothing_but_what_is_carried() -> None:
    assert json.loads(carried(audio={"id": "a"})) == {"index": 0, "audio": {"id": "a"}}


def test_carried_members_join_as_the_table_says() -> None:
    log = (
        carried(signature="a", note="x", annotations=[{"a": 1}], audio={"id": "1", "data": "AA"})
        + carried(signature="b", note="y", annotations=[{"b": 2}], audio={"data": "BB"}, safe=True)
        + carried(safe=False, audio={"expires_at": 7, "id": "1"})
    )
    (choice,) = read(log)
    assert {name: choice[name] for name in choice if name not in OWN} == {
        "signature": "b",
        "note": "xy",
        "annotations": [{"a": 1}, {"b": 2}],
        "audio": {"id": "1", "data": "AABB", "expires_at": 7},
        "safe": False,
    }


def test_reasoning_details_join_by_index_and_thoughts_go_on_until_they_are_signed() -> None:
    def piece(index: int, **fields: str) -> dict[str, object]:
        return {"type": "reasoning.text", "index": index, **fields}

    log = (
        carried(reasoning_details=[piece(0, text="a")])
        + carried(reasoning_details=[piece(0, text="b", signature="s")])
        + carried(reasoning_details=[piece(1, text="c")])
        + carried(thinking_blocks=[{"type": "thinking", "thinking": "x"}])
        + carried(thinking_blocks=[{"type": "thinking", "thinking": "y", "signature": "s"}])
        + carried(thinking_blocks=[{"type": "thinking", "thinking": "z"}])
    )
    (choice,) = read(log)
    assert choice["reasoning_details"] == [piece(0, text="ab", signature="s"), piece(1, text="c")]
    assert choice["thinking_blocks"] == [
        {"type": "thinking", "thinking": "xy", "signature": "s"},
        {"type": "thinking", "thinking": "z"},
    ]


def test_what_stood_around_the_delta_is_replaced_and_keeps_its_place() -> None:
    def around(stop: int) -> str:
        members: Carried = {(CHOICE, "matched_stop"): stop, (COMPLETION, "citations"): [stop]}
        return delta_json(0, "content", "a", None, members) + "\n"

    transcript = transcript_of(around(1) + around(2))
    (choice,) = transcript.choices_json()
    assert (choice["content"], choice["matched_stop"]) == ("aa", 2)
    assert choice["places"] == {"matched_stop": "choice"}
    assert "citations" not in choice
    assert transcript.beside_json() == {"citations": [2]}


def test_a_carried_name_of_ours_is_told_apart() -> None:
    theirs = {"index": 5, "content_parts": 7, "places": "x"}
    (choice,) = read(carried(**theirs))
    assert (choice["index"], choice["delta.index"], choice["delta.content_parts"]) == (0, 5, 7)
    assert unflat(choice) == {(DELTA, name): value for name, value in theirs.items()}
    own = {"status": "completed"}
    whole = within(own, {"status": "theirs", "tier": 1})
    assert whole == {"status": "completed", "completion.status": "theirs", "tier": 1}
    assert apart(whole, own) == {"status": "theirs", "tier": 1}


def test_parts_of_the_content_stand_among_its_texts_in_their_order() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:,"}}
    log = lines((0, "content", "a"), (0, "content", "b"))
    parts: Carried = {(CONTENT, "content_parts"): [picture]}
    log += delta_json(0, "carried", "", None, parts) + "\n" + lines((0, "content", "c"))
    (choice,) = read(log)
    assert choice["content"] == "abc"
    assert choice["content_parts"] == [
        {"type": "text", "text": "ab"},
        picture,
        {"type": "text", "text": "c"},
    ]


def test_a_custom_tool_s_call_keeps_its_type_and_a_call_what_is_said_of_it() -> None:
    extra = {"google": {"thought_signature": "x"}}
    first = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": "l"}}
    second = {"index": 1, "id": "b", "type": "function", "function": {"name": "f"}}
    log = lines(
        (0, "tool_calls", [first, {**second, "extra_content": extra}]),
        (0, "tool_calls", [{"index": 0, "custom": {"input": "s"}}]),
    )
    (choice,) = read(log)
    assert choice["tool_calls"] == [
        {"id": "a", "type": "custom", "custom": {"name": "sh", "input": "ls"}},
        {
            "id": "b",
            "type": "function",
            "function": {"name": "f", "arguments": ""},
            "extra_content": extra,
        },
    ]


@pytest.mark.slow
def test_an_answer_of_a_hundred_thousand_carried_pieces_is_folded_in_linear_time() -> None:
    """Copying what there is at every piece would take minutes here."""
    piece = carried(reasoning_details=[{"index": 0, "text": "x" * 100}])
    (choice,) = read(piece * 100_000)
    assert len(choice["reasoning_details"][0]["text"]) == 10_000_000


def test_a_provider_s_own_member_called_part_is_no_part_of_an_application_s() -> None:
    transcript = Transcript()
    transcript.add({"index": 0, "content": "a", "part": 1})
    transcript.add({"part": {"name": "progress", "data": 1, "id": None}})
    assert transcript.choices_json()[0]["part"] == 1
    assert [part["name"] for part in transcript.data_json()] == ["progress"]
