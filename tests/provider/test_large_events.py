"""Events of megabytes say what small ones say, in steps, and what they may hold is bounded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.provider.reading import DONE, chunk, feed, line
from workers.provider import Delta, ProviderFailure
from workers.provider.answer import Answer
from workers.provider.beside import MAX_CARRIED
from workers.provider.choice_reader import MAX_PARTS
from workers.provider.json_door import LARGE_BYTES, MAX_CONTAINERS, MAX_DEPTH
from workers.provider.usage import MAX_MEMBERS

LONG = LARGE_BYTES + 1


def raw(delta: bytes) -> bytes:
    return b'data: {"choices":[{"index":0,"delta":%s}]}\n\n' % delta


def said(data: bytes) -> str:
    return "".join(str(part.value) for part in Answer().feed(data) if isinstance(part, Delta))


@pytest.mark.parametrize(
    "text", ["plain ", 'ß\n"\\/', "\\u00e9\\", "\U0001f600", "\x00\x1f", "\u2028x"], ids=ascii
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_long_text_is_what_json_says_it_is(text: str, ascii_only: bool) -> None:
    whole = text * (LONG // len(text))
    delta = json.dumps({"content": whole}, ensure_ascii=ascii_only).encode()
    assert said(raw(delta)) == whole


def test_halves_of_characters_and_bytes_that_are_none_are_mended_in_a_long_one_too() -> None:
    halves = said(raw(b'{"content":"%s"}' % (b"\\ud83d" * LONG + b"\\ud83d\\ude00")))
    assert halves == "\ufffd" * LONG + "\U0001f600"
    assert said(raw(b'{"content":"%s"}' % (b"\xff" * LONG))) == "\ufffd" * LONG


@pytest.mark.parametrize("number", [b"NaN", b"-Infinity", b"1e999", b"[" * 200 + b"]" * 200])
def test_what_may_not_pass_ends_a_long_one_at_once(number: bytes) -> None:
    with pytest.raises(ProviderFailure) as raised:
        Answer().feed(raw(b'{"content":"%s","x":%s}' % (b"a" * LONG, number)))
    assert raised.value.code == "provider-malformed"
    assert not raised.value.retryable


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "a", "x": [[]] * (MAX_CONTAINERS + 1)},
        {"content": "a", "x": {str(n): 0 for n in range(140_000)}},
        {"content": "a", "x": [0] * 260_000},
        {"content": "a", **{f"x{n}": n for n in range(MAX_CARRIED + 1)}},
        {"content": [{"type": "image", "n": n} for n in range(MAX_PARTS + 1)]},
    ],
    ids=["lists", "members", "values", "unknown members", "parts"],
)
def test_an_event_that_holds_too_much_ends_its_generation_in_words(delta: object) -> None:
    with pytest.raises(ProviderFailure, match="more than") as raised:
        feed([chunk(delta).encode(), DONE.encode()])
    assert raised.value.code == "provider-malformed"


@pytest.mark.slow
def test_an_answer_that_names_ever_new_members_ends_in_words() -> None:
    deltas = [{"content": "a", **{f"x{k}_{n}": n for n in range(600)}} for k in range(2)]
    with pytest.raises(ProviderFailure, match="more than") as raised:
        feed([chunk(delta).encode() for delta in deltas])
    assert raised.value.code == "provider-malformed"
    usages = [{"choices": [], "usage": {f"x{n}": n}} for n in range(MAX_MEMBERS + 1)]
    with pytest.raises(ProviderFailure, match="its usage holds more than"):
        feed([line(usage).encode() for usage in usages])


def test_an_error_of_thousands_of_values_is_told_by_its_words_alone() -> None:
    error = {"message": "boom", "code": "x", "more": [[]] * 20_000}
    with pytest.raises(ProviderFailure) as raised:
        Answer().feed(line({"error": error}).encode())
    assert raised.value.scrubbed(()).told() == {"error": {"message": "boom", "code": "x"}}


def test_lines_of_chunks_that_no_blank_line_parts_are_read_one_by_one() -> None:
    row = chunk({"content": "word "}).removesuffix("\n") * 2_000
    assert len(row) > LONG
    assert said(row.encode() + b"\n") == "word " * 2_000


def test_a_long_document_of_several_lines_is_one_document() -> None:
    whole = {"choices": [{"index": 0, "message": {"content": "a" * LONG}, "finish_reason": "stop"}]}
    assert feed([json.dumps(whole, indent=1).encode()]).text == "a" * LONG


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "a" * 4 * LONG},
        {"tool_calls": [{"index": 0, "function": {"arguments": "x"}} for _ in range(5_000)]},
        {"content": [{"type": "text", "text": "x"} for _ in range(5_000)]},
    ],
    ids=["text", "calls", "parts"],
)
def test_others_may_run_while_it_is_read(delta: dict[str, Any]) -> None:
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    Answer(step=step).feed(chunk(delta).encode())
    assert steps > 3


def test_endless_white_space_in_front_of_an_answer_is_not_held() -> None:
    answer = Answer()
    parts = [part for _ in range(2_000) for part in answer.feed(chunk({"content": " "}).encode())]
    assert sum(len(part.value) for part in parts if isinstance(part, Delta)) == 2_000


def test_depth_of_a_long_one_is_bounded_as_that_of_a_short_one() -> None:
    nested: Any = "x"
    for _ in range(MAX_DEPTH - 8):
        nested = [nested]
    delta = {"content": "a" * LONG, "x": nested}
    (part,) = [p for p in Answer().feed(chunk(delta).encode()) if isinstance(p, Delta)]
    assert part.carried == {("delta", "x"): nested}
