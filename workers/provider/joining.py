"""Pieces of carried members, joined as the table (`members`) says; linear in what comes in.

    carried = Joined()
    carried.add(DELTA, "annotations", [{…}])
    carried.add(DELTA, "annotations", [{…}])
    carried.to_json(DELTA)          # {(DELTA, "annotations"): [{…}, {…}]}

Texts are kept as lists of pieces until they are asked for: a signature or an audio clip may come in
thousands of them. So may members and elements: others run between them (`fanout.pace`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hub.fanout.pace import paced
from hub.json_text import go_on
from hub.long_text import GrowingText, Text
from workers.provider.members import (
    APPENDED,
    CALL,
    CALL_TEXTS,
    DELTA,
    INNER_TEXTS,
    REPLACED,
    Carried,
    Place,
)

_THOUGHTS = ("thinking", "reasoning.text", "reasoning.summary")


class Joined:
    """The carried members of one choice, or of one answer, as they grow."""

    def __init__(self) -> None:
        self._found: dict[tuple[Place, str], Any] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, place: Place, name: str, value: Any) -> None:
        before = self._found.get((place, name))
        self._found[place, name] = _grown(before, value, place, name)

    def to_json(self, *places: Place) -> Carried:
        """What has come of the members of these places."""
        return {key: _whole(node) for key, node in paced(self._found.items()) if key[0] in places}


class JoinedCall:
    """One tool call, put together from its pieces as OpenAI does: by index."""

    def __init__(self, index: int) -> None:
        self.index = index
        self._own: dict[str, Any] = {}

    def add(self, piece: dict[str, Any]) -> None:
        for name, value in piece.items():
            if name == "index" or (value is None and name in self._own):
                continue
            if name in ("function", "custom") and isinstance(value, dict):
                self._add_called(name, value)
            else:
                self._own[name] = _grown(self._own.get(name), value, CALL, name)

    def _add_called(self, kind: str, called: dict[str, Any]) -> None:
        texts = self._own.setdefault(kind, _Object())
        for name, value in called.items():
            if isinstance(value, str) and (name == "name" or name in CALL_TEXTS):
                texts.members.setdefault(name, GrowingText()).add(value)
            else:
                texts.members[name] = value

    def piece(self) -> dict[str, Any]:
        """All pieces as one: what an event says of the call, which is no longer than an event."""
        whole = {name: _whole(node, _string) for name, node in self._own.items()}
        return {"index": self.index, **whole}

    def to_json(self) -> dict[str, Any]:
        """The call as the record has it: with everything that a whole one has."""
        own = {name: _whole(node) for name, node in self._own.items()}
        found: dict[str, Any] = {"id": None, "type": "function", **own}
        if found["type"] == "custom":
            found["custom"] = {"name": "", "input": "", **found.get("custom", {})}
        elif found["type"] == "function" or "function" in found:
            found["function"] = {"name": "", "arguments": "", **found.pop("function", {})}
        return found


def joined_calls(
    pieces: list[dict[str, Any]], step: Callable[[], None] = go_on
) -> list[dict[str, Any]]:
    """Pieces of tool calls, each call named once: clients join between chunks, not in one."""
    if len(pieces) < 2:
        return pieces
    calls: dict[int, JoinedCall] = {}
    for piece in pieces:
        calls.setdefault(piece["index"], JoinedCall(piece["index"])).add(piece)
        step()
    return [call.piece() for call in calls.values()] if len(calls) < len(pieces) else pieces


class _Object:
    __slots__ = ("members",)

    def __init__(self) -> None:
        self.members: dict[str, Any] = {}

    def add(self, value: dict[str, Any]) -> None:
        for name, new in paced(value.items()):
            before = self.members.get(name)
            if isinstance(new, str) and name in INNER_TEXTS:
                if isinstance(before, GrowingText):
                    before.add(new)
                else:
                    self.members[name] = GrowingText(new)
            elif isinstance(new, dict):
                if not isinstance(before, _Object):
                    before = self.members[name] = _Object()
                before.add(new)
            elif new is not None or before is None:
                self.members[name] = new


class _List:
    """Elements with an `index` join the one that has it; a thought without one goes on until its
    signature has come; all else is appended, as it is."""

    __slots__ = ("_at", "grows", "items")

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.grows = False
        self._at: dict[int, _Object] = {}

    def add(self, value: list[Any]) -> None:
        for element in paced(value):
            if not isinstance(element, dict) or not _may_grow(element):
                self.items.append(element)
                continue
            open_one = self._open(element)
            if open_one is None:
                open_one = _Object()
                self.items.append(open_one)
                self.grows = True
                if type(element.get("index")) is int:
                    self._at[element["index"]] = open_one
            open_one.add(element)

    def _open(self, element: dict[str, Any]) -> _Object | None:
        index = element.get("index")
        if type(index) is int:
            return self._at.get(index)
        last = self.items[-1] if self.items else None
        if not isinstance(last, _Object) or element.get("type") not in _THOUGHTS:
            return None
        same = last.members.get("type") == element["type"] and "index" not in last.members
        return last if same and not last.members.get("signature") else None


def _may_grow(element: dict[str, Any]) -> bool:
    return "index" in element or element.get("type") in _THOUGHTS


def _grown(before: Any, value: Any, place: Place, name: str) -> Any:
    """The node for what came before and `value`. A node that was shown may grow: what is shown is
    made again (`_whole`)."""
    if place == DELTA:
        if isinstance(value, str) and name not in REPLACED:
            if not isinstance(before, GrowingText):
                return GrowingText(value)
            before.add(value)
            return before
        if isinstance(value, list):
            return _added(before, value, _List)
    elif name in APPENDED and isinstance(before, list) and isinstance(value, list):
        before.extend(value)
        return before
    elif name in APPENDED and isinstance(value, list):
        return list(value)
    if isinstance(value, dict) and place in (DELTA, CALL):
        return _added(before, value, _Object)
    return value


def _added(before: Any, value: Any, kind: type[_List] | type[_Object]) -> Any:
    if before is None and kind is _Object:
        return value  # most come once: it becomes a node when it grows
    node: Any = before if isinstance(before, kind) else kind()
    if kind is _Object and isinstance(before, dict):
        node.add(before)
    node.add(value)
    return node


def _string(text: GrowingText) -> str:
    return str(text.whole())


def _whole(node: Any, text: Callable[[GrowingText], Text] = GrowingText.whole) -> Any:
    if isinstance(node, GrowingText):
        return text(node)
    if isinstance(node, _Object):
        return {name: _whole(inner, text) for name, inner in paced(node.members.items())}
    if isinstance(node, _List) and node.grows:
        return [_whole(inner, text) for inner in paced(node.items)]
    if isinstance(node, _List):
        return list(node.items)
    return list(node) if isinstance(node, list) else node
