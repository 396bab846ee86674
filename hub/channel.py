"""Names of channels and ids of events: the two alphabets of the contract, and the order of ids.

An id is the Redis stream id of the event, `<milliseconds>-<number>`. To a client it is opaque. Ids
of one channel only grow, also over a flush or a failover, because the script that hands them out
(`append.lua`) starts from Redis' clock and never goes below the channel's last id.
"""

from __future__ import annotations

import re

from hub.errors import FieldError

BEFORE_FIRST = "0-0"
"""The position in front of a channel's first event ever."""

CHANNEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:@-]{0,127}")
_ID = re.compile(r"(0|[1-9][0-9]{0,15})-(0|[1-9][0-9]{0,15})")


def check_channel(name: object, field: str = "channel") -> str:
    """Return `name` if it is a channel name (contract §1), else raise `FieldError`."""
    if not isinstance(name, str) or not CHANNEL_NAME.fullmatch(name):
        raise FieldError(
            field,
            "a channel name is 1 to 128 characters of A-Z a-z 0-9 . _ ~ : @ -, "
            "the first a letter or a digit",
            code="invalid-channel",
        )
    return name


def order(event_id: str) -> tuple[int, int] | None:
    """The place of an id in its channel's order, or None where it is not one of our ids."""
    found = _ID.fullmatch(event_id)
    return (int(found[1]), int(found[2])) if found else None


def place(event_id: str) -> tuple[int, int]:
    """`order`, for an id that is compared: one that is not ours stands before the first."""
    return order(event_id) or (0, 0)


def milliseconds(event_id: str) -> int:
    """When the event was stored: milliseconds since the epoch, by Redis' clock."""
    return int(event_id.partition("-")[0])
