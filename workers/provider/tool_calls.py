"""Pieces of tool calls, made whole: each with the index of its call, the id once, the name once.

Servers leave the index out, say 0 for every call, repeat id and name with each piece, say the id
late, or send the arguments as an object; clients join pieces by index, concatenate, and want the id
in the first of them. A call is OpenAI's `function` or `custom` one, whose members may stand in the
call itself; what else a server says of it (a thought signature) stays where it stood, and is said
again only when it has changed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from hub.event import compact_json
from hub.json_text import go_on
from workers.provider.joining import joined_calls
from workers.provider.json_door import Halves, Unsound, mended, short
from workers.provider.members import CALL, CALL_TEXTS, UNDERSTOOD

_log = logging.getLogger(__name__)

MAX_CALLS = 1024
"""Calls in one choice: OpenAI takes 128 tools."""
PATIENCE = 8
"""So many pieces of a call are held while its id has not come."""
_CALLED = ("name", *sorted(CALL_TEXTS))


class _Call:
    """`id` is the provider's own; `held` its pieces while there is none, None once it is said."""

    __slots__ = ("held", "id", "name", "said", "type")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.type = ""
        self.held: list[dict[str, Any]] | None = []
        self.said: dict[str, Any] = {}


class ToolCalls:
    """The tool calls of one choice, piece by piece.

    A call without an id is held until it has one or another one begins, for `patience` pieces at
    most. Then it gets an id of ours.
    """

    def __init__(self, step: Callable[[], None] = go_on, patience: int = PATIENCE) -> None:
        self._step = step
        self._patience = patience
        self._calls: list[_Call] = []
        self._at: dict[str, int] = {}
        self._index_said: dict[int, int] = {}
        self._halves = Halves()

    def read(
        self, pieces: object, *, torn: bool = False, sound: Callable[[Any], Any] = mended
    ) -> list[dict[str, Any]]:
        """The pieces of one delta, one for each call that has any in it. `torn`: their texts may
        begin or end with half a character; `sound` lets what is not known pass. Raises
        `Unsound`."""
        if isinstance(pieces, Mapping):
            pieces = [pieces]
        if not isinstance(pieces, list):
            return []
        torn = torn or bool(self._halves)
        read: list[dict[str, Any]] = []
        for piece in pieces:
            if isinstance(piece, Mapping):
                self._piece(piece, torn, sound, read)
            self._step()
        return joined_calls(read, self._step)

    def end(self) -> list[dict[str, Any]]:
        """What is left: a call that has no id, and characters whose second half did not come."""
        read: list[dict[str, Any]] = []
        self._let_go(read)
        for index, kind, name in self._halves.rest():
            read.append({"index": index, kind: {name: "\ufffd"}})
        return joined_calls(read, self._step)

    def _piece(
        self,
        piece: Mapping[str, Any],
        torn: bool,
        sound: Callable[[Any], Any],
        read: list[dict[str, Any]],
    ) -> None:
        kind, called = _called(piece)
        name, call_id = _text(called.get("name")), _text(piece.get("id"))
        index = self._index(_number(piece.get("index")), call_id, name)
        found: dict[str, Any] = {"index": index}
        begins = index == len(self._calls)
        if begins:
            self._begin(piece, kind, read)
        call = self._calls[index]
        if call_id and not call.id:
            if call.held is None:
                _log.warning("a tool call has the id call_%d: its own came too late", index)
            call.id = short(call_id, "a tool call's id")
            self._at[call_id] = index
        inner = {}
        if name and name != call.name:
            call.name = short(call.name + name, "a tool's name")
            inner["name"] = name
        for member, value in called.items():
            if member != "name" and value is not None:
                text = value if isinstance(value, str) else compact_json(value)
                if member in CALL_TEXTS:
                    key = (index, kind, member)
                    inner[member] = self._halves.joined(key, text) if torn else text
                elif _is_news(call, f"{kind}.{member}", value):
                    inner[member] = sound(value)
        if inner or (begins and call.type in ("function", "custom")):
            found[kind] = inner
        more = self._more(call, piece, kind)
        if more:
            found |= sound(more)
        if call.held is not None:
            call.held.append(found)
            if call.id or len(call.held) > self._patience:
                self._say(index, read)
        elif len(found) > 1:
            read.append(found)

    def _begin(self, piece: Mapping[str, Any], kind: str, read: list[dict[str, Any]]) -> None:
        if len(self._calls) >= MAX_CALLS:
            raise Unsound(f"it holds more than {MAX_CALLS} tool calls")
        self._let_go(read)
        call = _Call()
        call.type = short(_text(piece.get("type")) or kind, "a tool call's type")
        self._calls.append(call)

    def _let_go(self, read: list[dict[str, Any]]) -> None:
        """No id comes any more for the newest call."""
        if self._calls and self._calls[-1].held is not None:
            self._say(len(self._calls) - 1, read)

    def _say(self, index: int, read: list[dict[str, Any]]) -> None:
        call = self._calls[index]
        assert call.held is not None
        begun = {"index": index, "id": call.id or f"call_{index}", "type": call.type}
        read += joined_calls([begun, *call.held])
        call.held = None

    def _more(self, call: _Call, piece: Mapping[str, Any], kind: str) -> dict[str, Any]:
        if UNDERSTOOD[CALL].issuperset(piece):
            return {}
        flat = _CALLED if kind not in piece else ()
        return {
            name: value
            for name, value in piece.items()
            if name not in UNDERSTOOD[CALL]
            and name not in flat
            and value is not None
            and _is_news(call, name, value)
        }

    def _index(self, said: int | None, call_id: str, name: str) -> int:
        """Whose piece this is: an id known or new decides, then the index said, then the order."""
        begins = len(self._calls)
        goes_on = said is None or said in self._index_said or not name
        if call_id in self._at and goes_on:
            return self._at[call_id]
        if said is not None:
            known = self._index_said.get(said)
            # The same index under another id and with a name of its own is another call (Gemini).
            if known is None or (call_id and name and self._is_another(known, name)):
                self._index_said[said] = known = begins
            return known
        if not begins:
            return 0
        last = self._calls[-1]
        is_another = bool(name and last.name and (not call_id or name != last.name))
        return begins if is_another or (call_id and last.id) else begins - 1

    def _is_another(self, known: int, name: str) -> bool:
        return bool(self._calls[known].id) or name != self._calls[known].name


def _called(piece: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """What kind of call this is a piece of, and what is said of the call. Where both kinds are
    there, its type decides; a member that is empty says nothing."""
    kinds = ("function", "custom") if piece.get("type") == "function" else ("custom", "function")
    for kind in kinds:
        called = piece.get(kind)
        if isinstance(called, Mapping) and called:
            return kind, called
    flat = {name: piece[name] for name in _CALLED if name in piece}
    return "custom" if piece.get("type") == "custom" else "function", flat


def _is_news(call: _Call, name: str, value: object) -> bool:
    if name in call.said and call.said[name] == value:
        return False
    call.said[name] = value
    return True


def _number(index: object) -> int | None:
    """An index; some say it as a text, or as a float."""
    if isinstance(index, str) and index.isascii() and index.isdigit() and len(index) < 9:
        return int(index)
    if isinstance(index, float) and index.is_integer():
        return int(index)
    return index if isinstance(index, int) and not isinstance(index, bool) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
