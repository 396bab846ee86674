"""A tool call in two halves: what the hub understands of it, and what else its provider said, which
faces in other words than chat completions keep beside it and give back with the next turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workers.provider.members import CALL, CALL_TEXTS, UNDERSTOOD

_KINDS = ("function", "custom")
_CALLED = CALL_TEXTS | {"name"}


def beyond(piece: Mapping[str, Any]) -> dict[str, Any]:
    """What the hub does not know of a call, or of a piece of one: members of its own, members of
    its function, and its type where that is neither of the two kinds."""
    found = {name: value for name, value in piece.items() if name not in UNDERSTOOD[CALL]}
    if piece.get("type", "function") not in _KINDS:
        found["type"] = piece["type"]
    for kind in _KINDS:
        called = piece.get(kind)
        if called and not _CALLED.issuperset(called):
            found[kind] = {name: value for name, value in called.items() if name not in _CALLED}
    return found


def whole_call(
    call_id: object, kind: str, name: object, text: object, more: Mapping[str, Any]
) -> dict[str, Any]:
    """OpenAI's call with `more`, which `beyond` had taken off. One of another kind than ours has no
    function where it was not said to have one."""
    more = dict(more)
    inner = more.pop(kind, None)
    called = {"name": name, "arguments" if kind == "function" else "input": text}
    call = {"id": call_id, "type": kind}
    if "type" not in more or name or text:
        call[kind] = {**inner, **called} if isinstance(inner, Mapping) else called
    return {**call, **more}
