"""What a provider's JSON may not bring in, whatever place it stands in (contract §4)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.provider.conftest import Reader
from tests.provider.reading import DONE, chunk, feed, line
from workers.provider import Delta, ProviderFailure, Usage
from workers.provider.answer import Answer
from workers.provider.json_door import MAX_DEPTH, depth

HALF = "a\ud83d"
MENDED = "a\ufffd"


def body(**choice: Any) -> str:
    """A chunk with this in its choice, then the end. ASCII: half a character cannot be sent."""
    chunks = [{"model": "m", "choices": [{"index": 0, "delta": {}, **choice}]}]
    chunks.append({"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}]})
    return "".join(f"data: {json.dumps(each)}\n\n" for each in chunks) + DONE


def call(**members: Any) -> dict[str, Any]:
    function = {"name": "f", "arguments": "{}", **members.pop("function", {})}
    return {
        "tool_calls": [{"index": 0, "id": "a", "type": "function", **members, "function": function}]
    }


@pytest.mark.parametrize(
    "choice",
    [
        {"delta": {"content": HALF}},
        {"delta": {"reasoning_content": HALF}},
        {"delta": {"refusal": HALF}},
        {"delta": call(function={"arguments": HALF})},
        {"delta": call(function={"name": HALF})},
        {"delta": call(id=HALF)},
        {"delta": call(type=HALF)},
        {"delta": call(extra_content={HALF: [HALF]})},
        {"delta": {"tool_calls": [{"custom": {"name": "f", "input": HALF}}]}},
        {"delta": {"annotations": [{"text": HALF, HALF: 1}]}},
        {"delta": {HALF: HALF}},
        {"delta": {"content": [{"type": "image_url", "image_url": {"url": HALF}}]}},
        {"logprobs": {"content": [{"token": HALF, "logprob": -0.5}]}},
        {"delta": {"content": "y"}, "finish_reason": HALF},
        {"matched_stop": HALF},
        {"usage": {"prompt_tokens": 1, "tier": HALF}},
    ],
)
def test_half_a_character_is_mended_wherever_it_stands(choice: dict[str, Any]) -> None:
    answer = Answer()
    parts = answer.feed(body(**choice).encode()) + answer.summary()
    said = repr(parts)
    assert "\\ud83d" not in said
    assert "\ufffd" in said


def test_a_model_s_name_and_an_error_s_words_are_mended() -> None:
    assert feed([line({"model": "m", "choices": []}).encode(), body().encode()]).model == "m"
    read = feed([body().replace('"model": "m"', '"model": "m\\ud83d"').encode()])
    assert read.model == "m\ufffd"
    with pytest.raises(ProviderFailure) as caught:
        feed([b'data: {"error": {"message": "a\\ud83d", "x\\udc00": ["\\ud83d"]}}\n\n'])
    assert caught.value.detail == MENDED
    caught.value.scrubbed(()).told()
    json.dumps(caught.value.scrubbed(()).told(), ensure_ascii=False).encode()


@pytest.mark.parametrize("kind", ["content", "reasoning_content", "refusal"])
def test_the_halves_of_a_character_in_two_deltas_are_joined(read: Reader, kind: str) -> None:
    pieces = ["a\ud83d", "\ude42b", "c\ud83d", "d", "\ude42", "e\ud83d"]
    chunks = [f'data: {{"choices":[{{"delta":{json.dumps({kind: p})}}}]}}\n\n' for p in pieces]
    answer = read("".join(chunks) + chunk({}, "stop") + DONE)
    name = "reasoning" if kind == "reasoning_content" else kind
    assert getattr(answer.choices[0], name) == "a🙂bc\ufffdd\ufffde\ufffd"


def test_the_halves_of_a_character_in_arguments_are_joined_call_by_call(read: Reader) -> None:
    def piece(index: int, text: str, **more: str) -> dict[str, Any]:
        return {"index": index, **more, "function": {"arguments": text}}

    deltas = [
        [piece(0, "\ud83d", id="a"), piece(1, "\ud83d", id="b")],
        [piece(1, "\ude42")],
        [piece(0, "\ude00"), piece(1, "\ud83d")],
    ]
    chunks = [
        f'data: {{"choices":[{{"delta":{json.dumps({"tool_calls": calls})}}}]}}\n\n'
        for calls in deltas
    ]
    answer = read("".join(chunks) + chunk({}, "tool_calls") + DONE)
    assert [c["arguments"] for c in answer.choices[0].tool_calls] == ["😀", "🙂\ufffd"]


def test_a_character_written_as_two_escapes_is_left_as_it_is(read: Reader) -> None:
    answer = read(
        f'data: {{"choices":[{{"delta":{{"content":"\\ud83d\\ude42 \\\\ud83d"}}}}]}}\n\n{DONE}'
    )
    assert answer.text == "🙂 \\ud83d"


def refused(text: str) -> ProviderFailure:
    with pytest.raises(ProviderFailure) as caught:
        feed([text.encode()])
    assert (caught.value.code, caught.value.retryable) == ("provider-malformed", False)
    return caught.value


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_what_is_no_number_of_json_ends_the_answer_in_words(number: str) -> None:
    text = body(logprobs={"content": [{"token": "x", "logprob": 7}]}).replace("7", number)
    assert "holds" in refused(text).detail


@pytest.mark.parametrize("logprobs", [[], [1], "x", 7, True])
def test_logprobs_that_are_no_object_end_the_answer_in_words(logprobs: object) -> None:
    assert "logprobs" in refused(body(logprobs=logprobs)).detail


@pytest.mark.parametrize(
    "choice",
    [
        {"finish_reason": "x" * 300_000},
        {"delta": call(function={"name": "x" * 300_000})},
        {"delta": call(id="x" * 300_000)},
        {"logprobs": {"content": [{"token": "x" * 300_000}]}},
        {"delta": {"x" * 300_000: 1}},
        {"usage": {"prompt_tokens": 10**400}},
        {"usage": {"prompt_tokens": -1}},
        {"delta": {"tool_calls": [{"id": str(n), "function": {}} for n in range(20_000)]}},
        {"delta": {"annotations": json.loads("[" * 200 + "]" * 200)}},
        {"delta": {"tool_calls": [{"function": {}, "x": json.loads("[" * 200 + "]" * 200)}]}},
    ],
)
def test_what_is_beyond_a_bound_ends_the_answer_in_words(choice: dict[str, Any]) -> None:
    assert len(refused(body(**choice)).detail) < 1000


def test_twenty_thousand_pieces_of_one_call_are_joined_in_one_step() -> None:
    pieces = [{"index": 0, "function": {"arguments": "x" * 10}} for _ in range(20_000)]
    answer = feed([body(delta={"tool_calls": pieces}).encode()])
    assert len(answer.choices[0].tool_calls[0]["arguments"]) == 200_000


def test_text_before_a_failure_in_one_read_is_kept_as_in_two() -> None:
    text, error = chunk({"content": "so far"}).encode(), line({"error": "boom"}).encode()
    answer = Answer()
    assert answer.feed(text + error)[-1] == Delta(0, "content", "so far")
    assert answer.failure is not None
    assert answer.failure.detail == "boom"


def test_numbers_with_many_digits_keep_them_where_they_are_whole() -> None:
    whole = 12345678901234567890123
    (delta,) = [
        part
        for part in Answer().feed(body(delta={"content": "x", "big": whole}).encode())
        if isinstance(part, Delta) and part.carried
    ]
    assert delta.carried == {("delta", "big"): whole}


def test_depth_counts_what_stands_in_one_another() -> None:
    values: list[object] = [1, [], [1], {"a": [{}]}]
    assert [depth(value) for value in values] == [0, 0, 1, 2]
    assert depth(json.loads("[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH)) <= MAX_DEPTH


def test_usage_is_told_as_it_was_counted(read: Reader) -> None:
    more = {"prompt_tokens_details": {"cached_tokens": 2}, "cost": 0.5}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, **more}
    assert read(chunk({"content": "x"}, "stop", usage=usage)).usage == Usage(3, 2, 5, more)
