"""A long text in pieces is the same text, wherever it is written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import long_text
from hub.event import compact_json
from hub.fanout.pace import encoded, json_parts
from hub.long_text import GrowingText, LongText, pieces_of, slices, whole_text

PIECES = st.lists(st.text(alphabet='ab\r\n"\\ß🙂', max_size=7), max_size=30)


@pytest.fixture(autouse=True, scope="module")
def short() -> Iterator[None]:
    """What is long, and a piece of it, is a few characters here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_text, "LONG_CHARS", 20)
        patch.setattr(long_text, "_PIECE_CHARS", 5)
        yield


@given(PIECES)
def test_whatever_the_pieces_the_whole_is_their_text(pieces: list[str]) -> None:
    growing = GrowingText()
    for number, piece in enumerate(pieces, 1):
        growing.add(piece)
        assert str(growing.whole()) == "".join(pieces[:number])
    whole = whole_text([growing.whole(), "", GrowingText(*pieces).whole()])
    assert str(whole) == "".join(pieces) * 2
    assert len(whole) == len(str(whole))
    assert "".join(slices(whole, 3)) == str(whole)
    assert all(len(part) <= 3 for part in slices(whole, 3))


@given(PIECES)
def test_as_json_and_in_utf_8_it_is_the_text_that_it_stands_for(pieces: list[str]) -> None:
    whole = GrowingText(*pieces).whole()
    value, meant = {"a": [whole] * 2, "b": 1}, {"a": ["".join(pieces)] * 2, "b": 1}
    assert b"".join(json_parts(value)) == compact_json(meant).encode()
    assert compact_json(value) == compact_json(meant)
    assert encoded(whole) == "".join(pieces).encode()


def test_only_what_is_long_stays_in_pieces() -> None:
    assert GrowingText("a" * 10, "🙂").whole() == "a" * 10 + "🙂"
    whole = GrowingText(*["a" * 10] * 10).whole()
    assert isinstance(whole, LongText)
    assert max(map(len, pieces_of(whole))) <= 10


def test_what_json_does_not_have_is_still_an_error() -> None:
    with pytest.raises(TypeError, match="object is nothing"):
        compact_json({"a": object()})
