"""Pieces of tool calls, made whole: each with the index of its call, the id once, the name once.

Servers leave the index out, say 0 for every call, repeat id and name with each piece, or send the
arguments as an object; clients join pieces by index and concatenate. A call is OpenAI's `function`
or `custom` one; what else a server says of it (a thought signature) stays where it stood, and is
said again only when it has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hub.event import compact_json
from hub.json_text import go_on
from workers.provider.joining import joined_calls
from workers.provider.json_door import Halves, Unsound, mended, short
from workers.provider.members import CALL, UNDERSTOOD

MAX_CALLS = 1024
"""Calls in one choice: OpenAI takes 128 tools."""


class ToolCalls:
    """The tool calls of one choice, piece by piece."""

    def __init__(self, step: Callable[[], None] = go_on) -> None:
        self._step = step
        self._at: dict[str, int] = {}
        self._names: list[str] = []
        self._said: list[dict[str, Any]] = []
        self._index_said: dict[int, int] = {}
        self._halves = Halves()

    def read(self, pieces: object, *, torn: bool = False) -> list[dict[str, Any]]:
        """The pieces of one delta, one for each call that has any in it. `torn`: their texts may
        begin or end with half a character. Raises `Unsound`."""
        if not isinstance(pieces, list):
            return []
        torn = torn or bool(self._halves)
        read = []
        for piece in pieces:
            found = self._piece(piece, torn) if isinstance(piece, Mapping) else None
            if found is not None:
                read.append(found)
            self._step()
        return joined_calls(read, self._step)

    def end(self) -> list[dict[str, Any]]:
        """What is left of characters whose second half did not come."""
        return [
            {"index": index, kind: {name: "\ufffd"}} for index, kind, name in self._halves.rest()
        ]

    def _piece(self, piece: Mapping[str, Any], torn: bool) -> dict[str, Any] | None:
        kind = "custom" if isinstance(piece.get("custom"), Mapping) else "function"
        called = piece.get(kind)
        called = called if isinstance(called, Mapping) else {}
        name = _text(called.get("name"))
        call_id = _text(piece.get("id"))
        index = self._index(piece.get("index"), call_id, name)
        read: dict[str, Any] = {"index": index}
        if index == len(self._names):
            said = piece.get("type")
            self._begin(index, call_id, read, said if said and isinstance(said, str) else kind)
        inner = {}
        if name and name != self._names[index]:
            self._names[index] = short(self._names[index] + name, "a tool's name")
            inner["name"] = name
        for member, value in called.items():
            if member != "name" and value is not None:
                text = value if isinstance(value, str) else compact_json(value)
                if member in ("arguments", "input"):
                    key = (index, kind, member)
                    inner[member] = self._halves.joined(key, text) if torn else text
                elif self._is_news(index, f"{kind}.{member}", value):
                    inner[member] = value
        more = self._more(index, piece)
        if not inner and not more and len(read) == 1:
            return None
        return {**read, kind: inner, **(mended(more) if torn else more)}

    def _begin(self, index: int, call_id: str, read: dict[str, Any], kind: str) -> None:
        if index >= MAX_CALLS:
            raise Unsound(f"it holds more than {MAX_CALLS} tool calls")
        call_id = call_id or f"call_{index}"
        self._at[call_id] = index
        self._names.append("")
        self._said.append({})
        read["id"] = short(call_id, "a tool call's id")
        read["type"] = short(kind, "a tool call's type")

    def _more(self, index: int, piece: Mapping[str, Any]) -> dict[str, Any]:
        if UNDERSTOOD[CALL].issuperset(piece):
            return {}
        return {
            name: value
            for name, value in piece.items()
            if name not in UNDERSTOOD[CALL]
            and value is not None
            and self._is_news(index, name, value)
        }

    def _is_news(self, index: int, name: str, value: object) -> bool:
        said = self._said[index]
        if name in said and said[name] == value:
            return False
        said[name] = value
        return True

    def _index(self, said: object, call_id: str, name: str) -> int:
        """Whose piece this is: an id known or new decides, then the index said, then the order."""
        if call_id and call_id in self._at:
            return self._at[call_id]
        if isinstance(said, int) and not isinstance(said, bool):
            known = self._index_said.get(said)
            # The same index under another id and with a name of its own is another call (Gemini).
            if known is None or (call_id and name):
                self._index_said[said] = known = len(self._names)
            return known
        if call_id or name or not self._names:
            return len(self._names)
        return len(self._names) - 1


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
