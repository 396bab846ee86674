"""The hub's own four events (contract §2): what a stream says beside what was published.

None of them is stored, and only `subscribed` carries an id: the position from which the listener
starts. Parsers ignore fields that they do not know, so members may be added and none taken away.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from hub import sse
from hub.channel import BEFORE_FIRST
from hub.event import Event, compact_json
from hub.timestamp import rfc3339


class Verdict(NamedTuple):
    """What a listener is told about its start on a channel: whether it misses nothing, how many
    events are replayed, else why not, and the channel's newest id at that moment."""

    recovered: bool
    replayed: int
    reason: str | None
    last_event_id: str | None


# A crowd that returns is told the same.
@lru_cache(256)
def subscribed(
    verdicts: tuple[tuple[str, Verdict], ...],
    heartbeat_seconds: int,
    retry_ms: int,
    event_id: str | None,
    positions: tuple[tuple[str, str], ...] | None = None,
) -> bytes:
    """Always first: the resume verdict of each channel, and the position as its `id:`. `positions`,
    where the channels were listed, are those of which that is made, in a field of their own."""
    channels = {channel: verdict._asdict() for channel, verdict in verdicts}
    event = Event(
        compact_json({"channels": channels, "heartbeat_seconds": heartbeat_seconds}),
        "subscribed",
        retry_ms=retry_ms,
    )
    field = b""
    if positions is not None:
        field = b"positions: %s\n" % compact_json(dict(positions)).encode()
    return field + sse.encode(event, event_id)


def heartbeat(now: float, listeners: Mapping[str, int]) -> bytes:
    """`now` in seconds since the epoch; `listeners` of all processes, by channel."""
    data = {"time": rfc3339(now), "listeners": listeners}
    return sse.encode(Event(compact_json(data), "heartbeat"))


def gap(channel: str, after: str, reason: str) -> bytes:
    """Events behind `after` are lost beyond repair."""
    data = {"channel": channel, "after": after or BEFORE_FIRST, "reason": reason}
    return sse.encode(Event(compact_json(data), "gap"))


def closing(reason: str, reconnect: bool, retry_ms: int) -> bytes:
    """The hub ends this stream. `retry_ms` is this listener's own, or all would return at once."""
    data = {"reason": reason, "reconnect": reconnect}
    return sse.encode(Event(compact_json(data), "closing", retry_ms=retry_ms))
