"""Times as the contract writes them (RFC 3339, UTC, milliseconds), and as HTTP does."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache


def rfc3339(seconds: float) -> str:
    """`2026-11-20T05:40:52.017Z` for seconds since the epoch."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def http_date(seconds: float) -> str:
    """`Fri, 20 Nov 2026 05:40:52 GMT` for seconds since the epoch (RFC 9110 §5.6.7)."""
    return _http_date(int(seconds))


@lru_cache(2)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)
