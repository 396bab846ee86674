"""Parameters of a query, each checked by one rule; a `FieldError` names the one that breaks it."""

from __future__ import annotations

from collections.abc import Mapping

from hub.errors import FieldError
from hub.number import whole_number


def one_of(args: Mapping[str, str], name: str, words: tuple[str, ...]) -> str | None:
    """One of `words`; None where it is not given."""
    value = args.get(name)
    if value is not None and value not in words:
        raise FieldError(name, f"must be {' or '.join(words)}")
    return value


def whole(args: Mapping[str, str], name: str, low: int, high: int, default: int) -> int:
    """A whole number from `low` to `high`, in ASCII digits; `default` where it is not given."""
    value = args.get(name)
    if value is None:
        return default
    try:
        return whole_number(value, low, high)
    except ValueError as error:
        raise FieldError(name, str(error)) from None
