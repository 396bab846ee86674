"""A provider's count of tokens, wherever it stands and however it is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workers.provider.json_door import Unsound, encoded_size
from workers.provider.parts import Usage

MAX_BYTES = 262_144
"""Of what several chunks tell together."""
MAX_MEMBERS = 1000
_MAX_COUNT = 2**63
_NOTHING = Usage(None, None, None)


def usage_of(told: object, before: Usage | None, sound: Callable[[Any], Any]) -> Usage | None:
    """What is known once `told` has come behind `before`: the counts are the last that were told,
    and so is all that is told beside them. Some servers tell the whole in every chunk, some a part
    in the first and the rest in the last. `sound` lets a value pass. Raises `Unsound`."""
    if not isinstance(told, Mapping):
        return before
    prompt = _count(told, "prompt_tokens", "input_tokens")
    completion = _count(told, "completion_tokens", "output_tokens")
    total = _count(told, "total_tokens")
    more = {
        name: sound(value)
        for name, value in told.items()
        if name not in Usage._fields and value is not None
    }
    if not more and prompt is None and completion is None and total is None:
        return before
    known = before or _NOTHING
    if total is None and (prompt, completion) == (None, None):
        total = known.total_tokens
    prompt = known.prompt_tokens if prompt is None else prompt
    completion = known.completion_tokens if completion is None else completion
    if total is None and prompt is not None:
        total = prompt + (completion or 0)
    if not known.more.keys() <= more.keys():  # else the same again, as nearly always
        more = {**known.more, **more}
        if len(more) > MAX_MEMBERS or encoded_size(more) > MAX_BYTES:
            raise Unsound(f"its usage holds more than {MAX_MEMBERS} members, or {MAX_BYTES} bytes")
    return Usage(prompt, completion, total, more)


def _count(told: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        count = told.get(name)
        if type(count) is float and count.is_integer():
            count = int(count)
        if type(count) is int:
            if not 0 <= count < _MAX_COUNT:
                raise Unsound(f"its usage counts {name} beyond reason")
            return count
    return None
