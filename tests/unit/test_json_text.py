"""JSON from outside: what comes through the door, whatever is sent."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from hub import json_text
from hub.errors import FieldError
from hub.fanout.pace import json_parts
from hub.json_text import JsonLimits, checked_json, parse_json

LIMITS = JsonLimits(depth=20, nodes=1000)
ROOMY = JsonLimits(depth=20, nodes=10**8)
TEXTS = ['"', "\\", '\\"', "{", "[1,", "]", ",", "ß", "🙂", "\x00", "NaN", "1e9", "a" * 40, ""]


@pytest.fixture(params=[1, 2, 3, 50, None])
def window(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of the text so small that every border is met; None: the short way of small texts."""
    if request.param is not None:
        monkeypatch.setattr(json_text, "_WINDOW_BYTES", request.param)
        monkeypatch.setattr(json_text, "_SMALL_BYTES", 0)


def made(random: Random, depth: int = 0) -> Any:
    kind = random.randrange(6 if depth < 5 else 4)
    if kind == 4:
        return [made(random, depth + 1) for _ in range(random.randrange(4))]
    if kind == 5:
        names = ["".join(random.choices(TEXTS, k=2)) for _ in range(random.randrange(4))]
        return {name: made(random, depth + 1) for name in names}
    return ["".join(random.choices(TEXTS, k=3)), random.randrange(-(10**20), 10**20), 0.5, None][
        kind
    ]


def depth_of(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    below = max(map(depth_of, inner), default=0)
    return below + isinstance(value, dict | list)


@pytest.mark.parametrize("seed", range(30))
def test_every_value_comes_through_as_it_was_and_its_depth_is_seen(seed: int, window: None) -> None:
    random = Random(seed)
    for _ in range(10):
        value = made(random)
        text = json.dumps(value, ensure_ascii=random.random() < 0.5).encode()
        assert parse_json(text, LIMITS) == value
        depth = depth_of(value)
        assert parse_json(text, JsonLimits(depth, 1000)) == value
        if depth:
            with pytest.raises(FieldError, match="deep"):
                parse_json(text, JsonLimits(depth - 1, 1000))


@pytest.mark.parametrize("seed", range(10))
def test_a_text_that_is_looked_at_and_not_made_is_taken_where_its_value_would_be(seed: int) -> None:
    random = Random(seed)
    for _ in range(200):
        text = json.dumps(made(random), indent=random.choice((None, 1)), ensure_ascii=False)
        for _ in range(random.choice((0, 1, 2))):
            at = random.randrange(len(text))
            piece = random.choice([*'"\\\n,:[{}]1u', "\\u00e9", "\\ud800", "NaN", "1e999", "\x01"])
            text = text[:at] + piece + text[at + random.randrange(2) :]
        try:
            value = parse_json(text.encode(), LIMITS)
        except FieldError:
            with pytest.raises(FieldError):
                checked_json(text.encode(), LIMITS)
        else:
            line = b"".join(json_parts({"a": checked_json(text.encode(), LIMITS)}))
            assert json.loads(line) == {"a": value}
            assert b"\n" not in line


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (rb'"\ud800"', "\ufffd"),
        (rb'"\ud83d\ude00"', "😀"),
        (rb'"\uD83D\uDE00\uDE00"', "😀\ufffd"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd😀"),
        (rb'"\\ud800"', "\\ud800"),
        (rb'"\\\ud800"', "\\\ufffd"),
        (rb'{"\udfff":"\"\ud800\""}', {"\ufffd": '"\ufffd"'}),
    ],
)
def test_a_lone_half_of_a_pair_is_replaced_wherever_it_stands(text: bytes, value: Any) -> None:
    assert parse_json(text, LIMITS) == value


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (b"NaN", "body"),
        (b'{"a":[0,{"b":-Infinity}]}', "a[1].b"),
        (b'{"a":1e400}', "a"),
        (b'[%s]' % (b"9" * 401), "body[0]"),
        (b'{"n":-%s,"\\ud800":1}' % (b"9" * 401), "n"),
    ],
)  # fmt: skip
def test_a_number_that_is_none_is_named(text: bytes, field: str) -> None:
    with pytest.raises(FieldError) as caught:
        parse_json(text, LIMITS)
    assert caught.value.field == field


@pytest.mark.parametrize("text", [b"1.5e300", b"-1E-400", b"123456789012345678901234567890", b"-0"])
def test_every_number_that_a_double_can_hold_comes_through(text: bytes) -> None:
    assert parse_json(text, LIMITS) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"a=b", b"\xff\xfe", "{}".encode("utf-16"), b"[" * 19, b'"', b'"\n"', b'"\xed\xa0"',
     b"9" * 10_000, b'{"a":1}x', b"\xef\xbb\xbf{}", b'"\\ud800', b"[01]", b"'a'"],
)  # fmt: skip
def test_what_is_no_json_in_utf_8_is_an_error_of_the_field(text: bytes) -> None:
    with pytest.raises(FieldError) as caught:
        parse_json(text, LIMITS, "line 7")
    assert (caught.value.field, caught.value.code) == ("line 7", "invalid-json")


@pytest.mark.parametrize(
    "text", [b"[" + b"[]," * 999 + b"0]", b"[" + b"0," * 1000 + b"0]", b'{"a":' * 500 + b'[{},1]']
)  # fmt: skip
def test_more_values_than_are_allowed_are_refused_before_any_is_built(text: bytes) -> None:
    with pytest.raises(FieldError, match=r"values|deep"):
        parse_json(text, LIMITS)


@pytest.mark.parametrize(
    "piece", [b"\\\\", b'\\"', b"\\n", b"\\ud800", b"\\ud83d\\ude00", b"a", "ß".encode(), b"[,{"]
)
def test_a_long_text_is_read_whatever_it_consists_of(piece: bytes) -> None:
    text = b'"%s"' % (piece * (2**20 // len(piece)))
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    value = parse_json(text, LIMITS, step=step)
    expected = json.loads(text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert value == expected
    assert steps
