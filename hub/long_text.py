"""A text that would take long to make in one piece.

A string of Python's is as wide as its widest character: 32 MiB of ASCII with one emoji are 128 MiB,
and joining them holds the process for 0.08 s; without the emoji it is 0.03 s, several times for one
response. Such a text stays in pieces, each of which is made in a moment; what writes it writes a
piece at a time, and nothing needs all of it at once. Ordinary texts are strings like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LONG_CHARS = 4 * 2**20
"""Up to this length a text is a string."""

_PIECE_CHARS = 256 * 1024
_PIECES = 4096


@dataclass(frozen=True, slots=True)
class LongText:
    """What `str` makes one string of; with a length, and true, because none is empty."""

    pieces: tuple[str, ...]

    def __len__(self) -> int:
        return sum(map(len, self.pieces))

    def __str__(self) -> str:
        return "".join(self.pieces)


Text = str | LongText


@dataclass(frozen=True, slots=True)
class JsonText:
    """A value that stays the JSON in UTF-8 that it came as: what writes JSON copies it, on one
    line. `json_text.checked_json` makes one."""

    text: bytes


class GrowingText:
    """A text as it comes, piece by piece. Asked for the whole, it keeps that in their place: who
    asks next shares it."""

    __slots__ = ("_chars", "_joined", "_pieces")

    def __init__(self, *pieces: str) -> None:
        self._joined: list[str] = []
        self._pieces: list[str] = []
        self._chars = 0
        for piece in pieces:
            self.add(piece)

    def add(self, piece: str) -> None:
        if len(piece) >= _PIECE_CHARS:  # it is not copied
            self._gather()
            self._joined.append(piece)
            return
        self._pieces.append(piece)
        self._chars += len(piece)
        if self._chars >= _PIECE_CHARS or len(self._pieces) >= _PIECES:
            self._gather()

    def whole(self) -> Text:
        self._gather()
        if len(self._joined) > 1 and sum(map(len, self._joined)) <= LONG_CHARS:
            self._joined = ["".join(self._joined)]
        if len(self._joined) > 1:
            return LongText(tuple(self._joined))
        return self._joined[0] if self._joined else ""

    def _gather(self) -> None:
        if self._pieces:
            self._joined.append("".join(self._pieces))
            self._pieces, self._chars = [], 0


def whole_text(texts: Iterable[Text]) -> Text:
    """Texts behind each other as one."""
    growing = GrowingText()
    for text in texts:
        for piece in pieces_of(text):
            growing.add(piece)
    return growing.whole()


def pieces_of(text: Text) -> tuple[str, ...]:
    return text.pieces if isinstance(text, LongText) else (text,)


def slices(text: Text, size: int) -> Iterator[str]:
    """The text in parts of at most `size` characters."""
    for piece in pieces_of(text):
        for at in range(0, len(piece), size):
            yield piece[at : at + size]
