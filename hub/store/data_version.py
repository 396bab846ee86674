"""Which format the data in Redis has: written by the first process, asked by every other.

Versions of the hub with the same number understand each other's keys, records and announcements,
so they may run side by side on one Redis. A change that an earlier version could not bear takes the
next number; then the two must not meet, and whichever comes second says so and does not start.
Members and fields that are new, and passed over by those that do not know them, change nothing.
"""

from __future__ import annotations

from operator import methodcaller

from hub.store.redis_link import RedisLink

DATA_VERSION = 1


def other_data(link: RedisLink, try_seconds: float) -> str | None:
    """What is wrong with the data that is there; None where nothing is. Where nobody has said which
    format it has, it has ours from now on. Raises `RedisFailure`."""
    key = link.keys.key("data", "version")
    ours = str(DATA_VERSION)
    found = link.call(methodcaller("get", key), try_seconds=try_seconds, doing="GET")
    if found is None:
        mark = methodcaller("set", key, ours, nx=True)
        link.call(mark, try_seconds=try_seconds, doing="SET")
        found = link.call(methodcaller("get", key), try_seconds=try_seconds, doing="GET")
    theirs = found.decode("utf-8", "replace")[:20] if found else ours
    if theirs == ours:
        return None
    return (
        f"its data has format {theirs}, and this version of the hub works with format {ours} "
        "(end the other version's processes first; or take another HUB_KEY_PREFIX)"
    )
