"""When to ask again: `Retry-After` in its three forms, else exponentially longer, with jitter."""

from __future__ import annotations

import email.utils
import math
from collections.abc import Mapping

MAX_TRIES = 4
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 8.0
LONGEST_RETRY_AFTER_SECONDS = 60.0
"""Asked to wait longer than this, we fail at once and say how long: a reader is waiting."""


def retry_after_seconds(headers: Mapping[str, str], now: float) -> float | None:
    """How long the provider asks to be left alone: seconds, a float, or an HTTP date.

    `now`: seconds since the epoch. `retry-after-ms` (OpenAI, Azure) is more exact and goes first.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    if value is None:
        return None
    seconds = _number(value)
    if seconds is not None:
        return seconds
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def pause_seconds(tries: int, retry_after: float | None, random: float) -> float | None:
    """The pause after `tries` failed tries; None: do not ask again. `random` is from 0 to 1.

    Never shorter than what the provider asked for; the jitter keeps workers that failed together
    from returning together.
    """
    if tries >= MAX_TRIES:
        return None
    if retry_after is not None:
        if retry_after > LONGEST_RETRY_AFTER_SECONDS:
            return None
        return retry_after + 0.25 * random
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (tries - 1))
    return longest * (0.5 + 0.5 * random)


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else -1.0
    except ValueError:
        return None
    return number if number >= 0 and math.isfinite(number) else None
