"""Whole numbers as people write them, in settings and in queries."""

from __future__ import annotations


def whole_number(text: str, low: int, high: int) -> int:
    """A number from `low` to `high` in ASCII digits. Raises `ValueError`, whose text says what it
    must be."""
    try:
        number = int(text) if text.isascii() and text.isdigit() else None
    except ValueError:  # some thousand digits, which Python refuses in words of its own
        number = None
    if number is None or not low <= number <= high:
        raise ValueError(f"must be a whole number from {low} to {high}")
    return number
