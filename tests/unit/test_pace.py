"""Long JSON in short steps."""

from __future__ import annotations

import json
from typing import Any

import gevent
import pytest

from hub.event import compact_json
from hub.fanout.pace import LONG_TEXT, Pace, json_parts

LONG = ('ß🙂\n"\\\x00' * LONG_TEXT)[: 3 * LONG_TEXT + 1]


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0.5, "", [], {}, [[]], {"a": {}}, {"a": [1, "b", None], "c": {"ä": LONG}},
        LONG, [LONG, LONG], list(range(5000)), [[{"k": str(n)}] for n in range(1033)],
    ],
)  # fmt: skip
def test_the_parts_joined_are_the_json_of_the_value(value: Any) -> None:
    assert b"".join(json_parts(value)) == compact_json(value).encode()


def test_a_large_value_comes_in_parts_of_bounded_size() -> None:
    parts = list(json_parts({"text": "x" * 10_000_000, "list": list(range(100_000))}))
    assert max(map(len, parts)) < 3 * LONG_TEXT
    assert json.loads(b"".join(parts))["list"][-1] == 99_999


def test_others_run_between_the_steps() -> None:
    turns = 0

    def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            gevent.sleep(0)

    watching = gevent.spawn(other)
    pace = Pace()
    try:
        with gevent.Timeout(30):  # a pace that never hands over would spin here
            while turns < 3:
                pace.step()
    finally:
        watching.kill()
