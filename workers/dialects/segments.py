"""What the dialects of front ends have in common: an answer as segments that begin and end.

A front end's protocol frames what a model says: a text begins, goes on and ends, and so do a
reasoning and each tool call. `Segments` is what must be known for that in mid-stream: which text or
reasoning is open, and which calls have begun. It is a value; `add` gives the steps that a delta
amounts to and the value that goes on from there.

    step                          said when
    Opened(kind, id)              text or reasoning begins
    Said(kind, id, text)          … goes on
    Closed(kind, id)              something else begins, or all is over
    CallOpened(id, name)          a tool call begins
    CallSaid(id, text)            a piece of its arguments
    CallClosed(id, name, text)    all is over; `text`: the whole of its arguments

Ids are counted, so every listener of one stream sees the same. Only choice 0 is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

Kind = Literal["text", "reasoning"]

_KINDS: Mapping[str, Kind] = {"reasoning": "reasoning", "content": "text", "refusal": "text"}
"""Members of a delta, in the order in which those of one event are told."""


class Opened(NamedTuple):
    kind: Kind
    id: str


class Said(NamedTuple):
    kind: Kind
    id: str
    text: str


class Closed(NamedTuple):
    kind: Kind
    id: str


class CallOpened(NamedTuple):
    id: str
    name: str


class CallSaid(NamedTuple):
    id: str
    text: str


class CallClosed(NamedTuple):
    id: str
    name: str
    text: str


Step = Opened | Said | Closed | CallOpened | CallSaid | CallClosed

Pieces = tuple[Any, str] | None
"""The pieces of a call's arguments, the newest first: adding one costs the same however many there
are, and nothing that a value holds is ever changed."""


@dataclass(frozen=True, slots=True)
class Call:
    """`pieces` do not count when values are compared: at one place of one stream they are equal."""

    index: int
    id: str
    name: str
    pieces: Pieces = field(default=None, compare=False)

    @property
    def text(self) -> str:
        found, pieces = [], self.pieces
        while pieces is not None:
            pieces, piece = pieces
            found.append(piece)
        return "".join(reversed(found))


@dataclass(frozen=True, slots=True)
class Segments:
    open: Kind | None = None
    number: int = 0
    calls: tuple[Call, ...] = ()

    def add(self, delta: Mapping[str, Any]) -> tuple[Segments, list[Step]]:
        """What the data of a `delta` event, or a choice of a snapshot, amounts to."""
        steps: list[Step] = []
        segments = self
        for member, kind in _KINDS.items():
            if delta.get(member):
                segments = segments._say(kind, delta[member], steps)
        for at, piece in enumerate(delta.get("tool_calls") or ()):
            segments = segments._close(steps)._call(piece.get("index", at), piece, steps)
        return segments, steps

    def end(self) -> list[Step]:
        """Everything that is open is closed."""
        steps: list[Step] = []
        self._close(steps)
        steps += [CallClosed(call.id, call.name, call.text) for call in self.calls]
        return steps

    def _id(self) -> str:
        return f"{self.open}-{self.number}"

    def _say(self, kind: Kind, text: str, steps: list[Step]) -> Segments:
        segments = self
        if self.open != kind:
            closed = self._close(steps)
            segments = replace(closed, open=kind, number=closed.number + 1)
            steps.append(Opened(kind, segments._id()))
        steps.append(Said(kind, segments._id(), text))
        return segments

    def _close(self, steps: list[Step]) -> Segments:
        if self.open is None:
            return self
        steps.append(Closed(self.open, self._id()))
        return replace(self, open=None)

    def _call(self, index: int, piece: Mapping[str, Any], steps: list[Step]) -> Segments:
        called = piece.get("function") or piece.get("custom") or {}
        at: int | None = index  # so they are counted, nearly always
        if not 0 <= index < len(self.calls) or self.calls[index].index != index:
            at = next((n for n, call in enumerate(self.calls) if call.index == index), None)
        if at is None:
            at = len(self.calls)
            call = Call(index, piece.get("id") or f"call_{index}", called.get("name") or "")
            steps.append(CallOpened(call.id, call.name))
        else:
            call = self.calls[at]
        text = called.get("arguments") or called.get("input") or ""
        if text:
            steps.append(CallSaid(call.id, text))
            call = replace(call, pieces=(call.pieces, text))
        return replace(self, calls=(*self.calls[:at], call, *self.calls[at + 1 :]))


NOTHING = Segments()
"""Before the first delta."""
