"""Parameters of a query, each checked by one rule; a `FieldError` names the one that breaks it."""

from __future__ import annotations

from collections.abc import Mapping

from hub.errors import FieldError

_LONGEST = 20
"""Python refuses to convert some thousand digits, with an error of its own."""


def one_of(args: Mapping[str, str], name: str, words: tuple[str, ...]) -> str | None:
    """One of `words`; None where it is not given."""
    value = args.get(name)
    if value is not None and value not in words:
        raise FieldError(name, f"must be {' or '.join(words)}")
    return value


def whole_number(args: Mapping[str, str], name: str, low: int, high: int, default: int) -> int:
    """A whole number from `low` to `high`, in ASCII digits; `default` where it is not given."""
    value = args.get(name)
    if value is None:
        return default
    digits = value.isascii() and value.isdigit() and len(value) < _LONGEST
    if not digits or not low <= int(value) <= high:
        raise FieldError(name, f"must be a whole number from {low} to {high}")
    return int(value)
