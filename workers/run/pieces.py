"""An attempt's deltas until they are in an append: what was put and is not stored yet.

Adjacent deltas of one choice and kind become one piece, and each piece one event. A delta that is
too large for an event becomes several, which add up to the same. Nothing here waits for anybody,
but others run while what is large is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hub.event import Event, compact_json
from hub.fanout.pace import LONG_TEXT, Pace, paced, paced_json
from hub.long_text import slices
from workers.provider.joining import joined_calls
from workers.provider.members import Carried
from workers.provider.parts import Delta
from workers.transcript import delta_json

_MERGED_CHARS = 16_384
_BATCH_PIECES = 256
_BATCH_CHARS = 1 << 18
_OVERHEAD_BYTES = 64
_ESCAPED_BYTES = 6


class Piece:
    """Deltas of one choice and kind that will be one event; one with logprobs, or with what is
    carried beside it, stays alone."""

    __slots__ = ("carried", "index", "kind", "logprobs", "parts", "size")

    def __init__(
        self,
        index: int,
        kind: str,
        part: Any,
        size: int,
        logprobs: object = None,
        carried: Carried | None = None,
    ) -> None:
        self.index = index
        self.kind = kind
        self.logprobs = logprobs
        self.carried = carried
        self.parts = [part]
        self.size = size

    def encoded(self) -> tuple[Event, str]:
        """Its event, and its line in the record's log."""
        if self.kind == "data":
            text: str = self.parts[0]
            return Event(text, "data"), f'{{"part":{text}}}'
        if self.kind == "tool_calls":
            value: Any = joined_calls([call for part in self.parts for call in part])
        else:
            value = self.parts[0] if len(self.parts) == 1 else "".join(self.parts)
        encode = compact_json if self.size <= LONG_TEXT else paced_json
        line = delta_json(self.index, self.kind, value, self.logprobs, self.carried, encode)
        return Event(line, "delta"), line


class Pieces:
    """`held`: about how many characters were put and are not stored yet, those of a batch that is
    under way among them."""

    def __init__(self, max_event_bytes: int) -> None:
        self.held = 0
        self._limit = max(1, (max_event_bytes - _OVERHEAD_BYTES) // _ESCAPED_BYTES)
        self._merged = min(self._limit, _MERGED_CHARS)
        self._pieces: list[Piece] = []

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, delta: Delta, size: int) -> None:
        """`size` is the whole delta's, as `size_of` counts."""
        index, kind, value, logprobs, carried = delta
        limit = self._limit
        if isinstance(value, str):
            if len(value) > limit:
                cut = (len(value) - 1) // limit * limit
                for at in range(0, cut, limit):
                    self._add(index, kind, value[at : at + limit], limit)
                value = value[cut:]
            if carried is not None:
                self._add(index, kind, value, size, logprobs, carried)
            elif value or logprobs is not None:
                self._add(index, kind, value, len(value), logprobs)
        else:
            *first, last = _bounded(value, limit) if size > limit else (value,)
            for calls in first:
                part_size = size_of(calls)
                self._add(index, kind, calls, part_size)
                size -= part_size
            self._add(index, kind, last, max(0, size), logprobs, carried)

    def add_data(self, text: str) -> None:
        """A part of the application's own, as JSON. It stays apart."""
        self.held += len(text)
        self._pieces.append(Piece(0, "data", text, len(text)))

    def take(self, *, whole: bool) -> list[Piece]:
        """The pieces of the next batch: one call's size is bounded, however much is held, unless
        all shall go as a `whole`."""
        if whole:
            pieces, self._pieces = self._pieces, []
            return pieces
        count, size = 0, 0
        for piece in self._pieces[:_BATCH_PIECES]:
            size += piece.size
            if count and size > _BATCH_CHARS:
                break
            count += 1
        pieces, self._pieces = self._pieces[:count], self._pieces[count:]
        return pieces

    def put_back(self, pieces: Sequence[Piece]) -> None:
        """They were not sent: they come first again."""
        self._pieces[:0] = pieces

    def stored(self, size: int) -> None:
        self.held -= size

    def clear(self) -> None:
        self._pieces, self.held = [], 0

    def _add(
        self,
        index: int,
        kind: str,
        part: Any,
        size: int,
        logprobs: object = None,
        carried: Carried | None = None,
    ) -> None:
        self.held += size
        pieces = self._pieces
        if pieces and logprobs is None and carried is None:
            last = pieces[-1]
            if (
                last.index == index
                and last.kind == kind  # never `data`
                and last.logprobs is None
                and last.carried is None
                and last.size + size <= self._merged
            ):
                last.parts.append(part)
                last.size += size
                return
        pieces.append(Piece(index, kind, part, size, logprobs, carried))


def _bounded(calls: list[dict[str, Any]], limit: int) -> Iterator[list[dict[str, Any]]]:
    """The pieces of tool calls one by one, and long arguments cut: they add up to the same."""
    for call in calls:
        kind = "custom" if "custom" in call else "function"
        name = "input" if kind == "custom" else "arguments"
        called = call.get(kind) or {}
        text = called.get(name) or ""
        yield [{**call, kind: {**called, name: text[:limit]}}]
        for at in range(limit, len(text), limit):
            yield [{"index": call["index"], kind: {name: text[at : at + limit]}}]


def size_of(value: object) -> int:
    """About what it takes as JSON in UTF-8, for counting. What is carried may be megabytes, or
    thousands of values, also empty ones: no text is made of it, and others run meanwhile."""
    if isinstance(value, str):
        return _text_size(value)
    pace, size, left = Pace(), 0, [value]
    while left:
        inner = left.pop()
        if isinstance(inner, str):
            size += 2 + _text_size(inner)
        elif isinstance(inner, list | tuple):
            size += 2 + len(inner)
            left += inner
        elif isinstance(inner, dict):
            size += 2 + 2 * len(inner)
            left += inner  # its names
            left += inner.values()
        else:
            size += len(str(inner))
        pace.step()
    return size


def _text_size(text: str) -> int:
    if text.isascii():
        return len(text)
    if len(text) <= LONG_TEXT:
        return len(text.encode("utf-8", "surrogatepass"))
    return sum(
        len(part.encode("utf-8", "surrogatepass")) for part in paced(slices(text, LONG_TEXT))
    )
