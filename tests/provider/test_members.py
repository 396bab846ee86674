"""The table of what is carried, and what the docs say of it."""

from __future__ import annotations

import pytest

from tests.support.real import ROOT
from workers.provider.joining import Joined
from workers.provider.members import (
    APPENDED,
    CALL,
    CHOICE,
    COMPLETION,
    DELTA,
    HOME,
    INNER_TEXTS,
    LEFT_OUT,
    REFUSED,
    REPLACED,
    Carried,
    Place,
    flat,
    unflat,
)


def test_the_docs_name_every_name_that_the_table_knows() -> None:
    told = (ROOT / "docs" / "providers.md").read_text()
    left_out = {name for names in LEFT_OUT.values() for name in names}
    names = {*HOME, *REPLACED, *INNER_TEXTS, *APPENDED, *left_out}
    assert not [name for name in sorted(names) if f"`{name}`" not in told]


@pytest.mark.parametrize(
    ("place", "name", "pieces", "joined"),
    [
        (DELTA, "unknown", ["a", "b"], "ab"),
        (DELTA, "signature", ["a", "b"], "b"),
        (DELTA, "unknown", [1, 2], 2),
        (DELTA, "unknown", [[1], [2]], [1, 2]),
        (DELTA, "unknown", [{"a": 1}, {"b": 2}], {"a": 1, "b": 2}),
        (DELTA, "unknown", [{"text": "a", "id": "x"}, {"text": "b", "id": "y"}],
         {"text": "ab", "id": "y"}),
        (DELTA, "unknown", ["a", [1]], [1]),
        (CHOICE, "unknown", ["a", "b"], "b"),
        (CHOICE, "unknown", [[1], [2]], [2]),
        (CHOICE, "token_ids", [[1], [2]], [1, 2]),
        (COMPLETION, "unknown", [{"a": 1}, {"b": 2}], {"b": 2}),
        (CALL, "extra_content", [{"a": 1}, {"b": 2}], {"a": 1, "b": 2}),
    ],
)  # fmt: skip
def test_pieces_join_as_the_docs_say(
    place: Place, name: str, pieces: list[object], joined: object
) -> None:
    carried = Joined()
    for piece in pieces:
        carried.add(place, name, piece)
    assert carried.to_json(place) == {(place, name): joined}


def test_the_same_name_in_three_places_stays_apart() -> None:
    carried: Carried = {(DELTA, "x"): 1, (CHOICE, "x"): 2, (COMPLETION, "x"): 3}
    data = flat(carried)
    assert data["x"] == 1
    assert unflat(data) == carried


def test_a_name_that_is_known_needs_no_place() -> None:
    carried: Carried = {(COMPLETION, "service_tier"): "flex", (DELTA, "audio"): {}}
    assert flat(carried) == {"audio": {}, "service_tier": "flex"}


@pytest.mark.parametrize(
    "name",
    ["model", "provider", "reasoning", "prompt_cache_key", "stop", "user", "top_p", "functions"],
)
def test_what_chooses_nothing_is_not_refused(name: str) -> None:
    assert not REFUSED.fullmatch(name)
