"""A provider's count of tokens, wherever it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workers.provider.json_door import Unsound
from workers.provider.parts import Usage

_MAX_COUNT = 2**63


def usage_of(told: object, sound: Callable[[Any], Any]) -> Usage | None:
    """The usage, with all that is told beside the numbers; None where no number is told. `sound`
    lets a value pass. Raises `Unsound`."""
    if not isinstance(told, Mapping):
        return None
    prompt, completion = _count(told, "prompt_tokens"), _count(told, "completion_tokens")
    total = _count(told, "total_tokens")
    if prompt is None and total is None:
        return None
    if prompt is not None and total is None:
        total = prompt + (completion or 0)
    more = {
        name: sound(value)
        for name, value in told.items()
        if name not in Usage._fields and value is not None
    }
    return Usage(prompt, completion, total, more)


def _count(told: Mapping[str, Any], name: str) -> int | None:
    count = told.get(name)
    if type(count) is not int:
        return None
    if not 0 <= count < _MAX_COUNT:
        raise Unsound(f"its usage counts {name} beyond reason")
    return count
