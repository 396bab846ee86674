"""The hub's own four events (contract §2): what a stream says beside what was published.

None of them is stored, and only `subscribed` carries an id: the position from which the listener
starts. Parsers ignore fields that they do not know, so members may be added and none taken away.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub import sse
from hub.channel import BEFORE_FIRST
from hub.event import Event, compact_json
from hub.timestamp import rfc3339


def subscribed(
    verdicts: Mapping[str, Mapping[str, Any]],
    heartbeat_seconds: int,
    retry_ms: int,
    event_id: str | None,
    positions: Mapping[str, str] | None = None,
) -> bytes:
    """Always first: the resume verdict of each channel, and the position as its `id:`. `positions`,
    where the channels were listed, are those of which that is made, in a field of their own."""
    data = {"channels": verdicts, "heartbeat_seconds": heartbeat_seconds}
    fields = b"" if positions is None else b"positions: %s\n" % compact_json(positions).encode()
    event = Event(compact_json(data), "subscribed", retry_ms=retry_ms)
    return fields + sse.encode(event, event_id)


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
