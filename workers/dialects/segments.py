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

A call is whole when all is over, and not before: `CallClosed(id, name, text, more)` has the whole
of its arguments, and what else its provider said of it and will want to see again.

Ids are counted, so every listener of one stream sees the same. Only choice 0 is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from hub.fanout.pace import paced
from hub.long_text import Text
from workers.chain import Chain, in_order, text_of
from workers.provider.calls import beyond
from workers.provider.joining import Joined
from workers.provider.members import CALL

Kind = Literal["text", "reasoning"]

_KINDS: Mapping[str, Kind] = {"reasoning": "reasoning", "content": "text", "refusal": "text"}
"""Members of a delta, in the order in which those of one event are told."""


class Opened(NamedTuple):
    kind: Kind
    id: str


class Said(NamedTuple):
    kind: Kind
    id: str
    text: Text


class Closed(NamedTuple):
    kind: Kind
    id: str


class CallOpened(NamedTuple):
    id: str
    name: str


class CallSaid(NamedTuple):
    id: str
    text: Text


class CallClosed(NamedTuple):
    id: str
    name: str
    text: Text
    more: Mapping[str, Any]


Step = Opened | Said | Closed | CallOpened | CallSaid


@dataclass(frozen=True, slots=True)
class Call:
    """`pieces` and `more` do not count when values are compared: at one place of one stream they
    are equal."""

    index: int
    id: str
    name: str
    pieces: Chain = field(default=None, compare=False)
    more: Chain = field(default=None, compare=False)

    def closed(self) -> CallClosed:
        more = Joined()
        for members in in_order(self.more):
            for name, value in members.items():
                more.add(CALL, name, value)
        found = {name: value for (_, name), value in more.to_json(CALL).items()}
        return CallClosed(self.id, self.name, text_of(self.pieces), found)


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
        calls = delta.get("tool_calls")
        for at, piece in enumerate(paced(calls)) if calls else ():
            segments = segments._close(steps)._call(piece.get("index", at), piece, steps)
        return segments, steps

    def end(self) -> tuple[list[Step], list[CallClosed]]:
        """Everything that is open is closed, the calls last."""
        steps: list[Step] = []
        self._close(steps)
        return steps, [call.closed() for call in self.calls]

    def _id(self) -> str:
        return f"{self.open}-{self.number}"

    def _say(self, kind: Kind, text: Text, steps: list[Step]) -> Segments:
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
        if more := _more(piece):
            call = replace(call, more=(call.more, more))
        return replace(self, calls=(*self.calls[:at], call, *self.calls[at + 1 :]))


def _more(piece: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the hub does not know of a piece, and its type where that is no function."""
    kind = piece.get("type", "function")
    more = beyond(piece)
    return more if kind == "function" else {**more, "type": kind}


NOTHING = Segments()
"""Before the first delta."""
