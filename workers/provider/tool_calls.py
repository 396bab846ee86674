"""Pieces of tool calls, made whole: each with the index of its call, the id once, the name once.

Servers leave the index out, say 0 for every call, repeat id and name with each piece, or send the
arguments as an object; clients join pieces by index and concatenate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.event import compact_json


class ToolCalls:
    """The tool calls of one choice, piece by piece."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._names: list[str] = []
        self._index_said: dict[int, int] = {}

    def read(self, pieces: object) -> list[dict[str, Any]]:
        """The pieces of one delta, each with an `index`; empty where there is nothing in them."""
        if not isinstance(pieces, list):
            return []
        read = [self._piece(piece) for piece in pieces if isinstance(piece, Mapping)]
        return [piece for piece in read if piece is not None]

    def _piece(self, piece: Mapping[str, Any]) -> dict[str, Any] | None:
        function = piece.get("function")
        function = function if isinstance(function, Mapping) else {}
        name = function.get("name")
        name = name if isinstance(name, str) else ""
        arguments = function.get("arguments")
        if arguments is not None and not isinstance(arguments, str):
            arguments = compact_json(arguments)
        call_id = piece.get("id")
        call_id = call_id if isinstance(call_id, str) else ""
        index = self._index(piece.get("index"), call_id, name)
        read: dict[str, Any] = {"index": index}
        if index == len(self._ids):
            call_id = call_id or f"call_{index}"
            self._ids.append(call_id)
            self._names.append("")
            read["id"] = call_id
            read["type"] = "function"
        inner = {}
        if name and name != self._names[index]:
            self._names[index] += name
            inner["name"] = name
        if arguments is not None:
            inner["arguments"] = arguments
        if not inner and len(read) == 1:
            return None
        read["function"] = inner
        return read

    def _index(self, said: object, call_id: str, name: str) -> int:
        """Whose piece this is: an id known or new decides, then the index said, then the order."""
        if call_id and call_id in self._ids:
            return self._ids.index(call_id)
        if isinstance(said, int) and not isinstance(said, bool):
            known = self._index_said.get(said)
            # The same index under another id and with a name of its own is another call (Gemini).
            if known is None or (call_id and name):
                self._index_said[said] = known = len(self._ids)
            return known
        if call_id or name or not self._ids:
            return len(self._ids)
        return len(self._ids) - 1
