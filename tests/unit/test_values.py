"""Names, ids, events, cursors: the values at the bottom."""

from __future__ import annotations

import re
from random import Random

import pytest

from hub import cursor
from hub.channel import BEFORE_FIRST, check_channel, order
from hub.errors import FieldError
from hub.event import check_retry, check_type, compact_json, event_at_once, event_from_json
from hub.json_text import JsonLimits, parse_json
from hub.query import whole
from hub.timestamp import rfc3339

ALPHABET = re.compile(r"[A-Za-z0-9._~-]{1,128}")


@pytest.mark.parametrize("name", ["a", "9", "A._~:@-z", "generation:x", "x" * 128])
def test_what_is_a_channel_s_name(name: str) -> None:
    assert check_channel(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "x" * 129, "-a", ".", "a b", "a/b", "a\n", "ü", "a\0", "a{b}", None, 7, b"a", ["a"]],
)
def test_what_is_none(name: object) -> None:
    with pytest.raises(FieldError) as refused:
        check_channel(name, "where")
    assert (refused.value.code, refused.value.field) == ("invalid-channel", "where")


def test_ids_are_ordered_by_their_numbers_and_not_as_text() -> None:
    ids = ["0-0", "0-1", "9-0", "9-9", "9-10", "10-0", "1795156779000-0"]
    places = [order(event_id) for event_id in ids]
    assert all(place is not None for place in places)
    assert places == sorted(place for place in places if place)


@pytest.mark.parametrize(
    "text",
    ["", "1", "-", "1-", "-1", "01-0", "1-01", "1-0 ", "1-0\n", "1e3-0", "٣-0", "1" * 20 + "-0"],
)
def test_what_is_not_one_of_our_ids_has_no_place(text: str) -> None:
    assert order(text) is None


def test_times_are_utc_with_milliseconds() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(1795156779.0179) == "2026-11-20T06:39:39.017Z"


def test_compact_json_is_compact_and_not_escaped() -> None:
    assert compact_json({"a": [1, "ü"], "b": None}) == '{"a":[1,"ü"],"b":null}'
    with pytest.raises(ValueError, match="Out of range"):
        compact_json(float("nan"))


@pytest.mark.parametrize("name", ["gap", "open", "error", "heartbeat", "subscribed", "closing"])
def test_the_hub_itself_may_use_what_publishers_may_not(name: str) -> None:
    with pytest.raises(FieldError):
        check_type(name)
    assert check_type(name, own=True) == name


def test_message_is_no_type_of_its_own() -> None:
    assert check_type("message") is check_type(None) is None


@pytest.mark.parametrize("value", [-1, 1.0, True, "1", 86_400_001, [], {}])
def test_a_retry_is_whole_milliseconds_within_a_day(value: object) -> None:
    with pytest.raises(FieldError):
        check_retry(value)
    assert check_retry(86_400_000) == 86_400_000
    assert check_retry(0) == 0


def test_an_error_names_the_field_with_what_stands_before_it() -> None:
    with pytest.raises(FieldError) as refused:
        event_from_json({"data": 1, "event": "gap"}, "line 3")
    assert refused.value.field == "line 3.event"


# ── cursors ──────────────────────────────────────────────────────────────────────────────────


def channels(count: int) -> tuple[str, ...]:
    return tuple(sorted(f"channel-{n}" for n in range(count)))


@pytest.mark.parametrize("text", ["", "0", "301", "-1", "1.0", " 7", "\u0663", "1e2", "9" * 5000])
def test_what_is_no_whole_number_in_the_range_names_the_parameter(text: str) -> None:
    with pytest.raises(FieldError) as refused:
        whole({"heartbeat": text}, "heartbeat", 1, 300, default=15)
    assert refused.value.detail == "heartbeat: must be a whole number from 1 to 300"


def test_a_whole_number_is_taken_at_both_ends_and_its_default_where_it_is_not_given() -> None:
    given = [{"limit": "1"}, {"limit": "300"}, {}]
    assert [whole(args, "limit", 1, 300, default=15) for args in given] == [1, 300, 15]


@pytest.mark.parametrize("seed", range(30))
def test_a_cursor_gives_back_the_positions_that_went_in(seed: int) -> None:
    random = Random(seed)
    names = channels(random.randint(2, 8))
    positions = [
        random.choice(
            [
                "",
                BEFORE_FIRST,
                f"{random.randrange(2**41)}-{random.choice([0, 1, 127, 128, 99999])}",
            ]
        )
        for _ in names
    ]
    token = cursor.encode(names, positions)
    assert ALPHABET.fullmatch(token)
    assert cursor.decode(names, token) == positions


def test_eight_busy_channels_fit_the_128_characters() -> None:
    token = cursor.encode(channels(8), ["1795156779000-2097151"] * 8)
    assert ALPHABET.fullmatch(token)


def test_a_cursor_is_bound_to_its_set_of_channels() -> None:
    token = cursor.encode(("a", "b"), ["1-0", "2-0"])
    for others in (("a", "c"), ("a", "b", "c"), ("a",), ("ab",)):
        assert cursor.decode(others, token) is None


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_cursor_is_none_or_positions_and_never_an_error(seed: int) -> None:
    random = Random(seed)
    names = channels(3)
    token = cursor.encode(names, ["1795156779000-3", "0-0", "1795156779001-300"])
    for _ in range(50):
        letters = list(token)
        for _ in range(random.randint(1, 3)):
            at = random.randrange(len(letters))
            letters[at : at + random.randint(0, 2)] = random.choice(["", "A", "~", "é", "=", "\0"])
        found = cursor.decode(names, "".join(letters))
        assert found is None or all(p == "" or order(p) is not None for p in found)


@pytest.mark.parametrize(
    "text",
    [
        '{"data":"x"}', '{"data":"x","event":null}',
        ' {"data" : "\\u00e9\\ud83d\\ude00", "event": "a"}\n',
        '{"data":"x","event":"message","retry_ms":5}', '{"data":"x","retry_ms":null}',
        '{"data":"x","data":"y"}', '{"data":"x","retry_ms":-0}', '{"data":"x","retry_ms":86400000}',
        '{"data":"ü"}',
    ],
)  # fmt: skip
def test_an_event_read_in_one_step_is_the_one_that_is_read_with_care(text: str) -> None:
    careful = event_from_json(parse_json(text.encode(), JsonLimits(128, 1000)))
    assert event_at_once(text.encode()) == careful


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", '"x"', "null", '{"data":1}', '{"data":null}', '{"data":{"a":"x"}}',
        '{"data":"\\ud800"}', '{"data":"x","more":1}', '{"data":"x","retry_ms":-1}',
        '{"data":"x","retry_ms":5.5}', '{"data":"x","retry_ms":true}', '{"data":"x","event":7}',
        '{"data":["x"],"data":"x"}', '{"data":"x"}{"data":"x"}', '{"event":"a"}',
        '{"data":"x","retry_ms":99999999999999999999}', '{"data":"x",}', '\ufeff{"data":"x"}',
    ],
)  # fmt: skip
def test_what_needs_care_is_not_read_in_one_step(text: str) -> None:
    assert event_at_once(text.encode()) is None
