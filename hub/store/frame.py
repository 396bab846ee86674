"""Frames as history has them, and a page of them. What a page means is decided in `follow`.

A page and the channel's state are of one moment: the script (`lua/read.lua`) answers in one step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from hub import sse
from hub.channel import BEFORE_FIRST, milliseconds


class Frame(NamedTuple):
    """A stored event as bytes. `n` counts the channel's events up to this one. `value` is what its
    data says, where its maker has it at hand: a large snapshot is not parsed again."""

    id: str
    prev: str
    n: int
    data: bytes
    value: Any = None


@dataclass(frozen=True, slots=True)
class ChannelState:
    """A channel at one moment. `last` '' means that nothing was ever published."""

    last: str
    n: int
    deletions: int
    deleted: str
    expired: str
    end: str
    before_end: str

    @property
    def head(self) -> str:
        return self.last or BEFORE_FIRST


@dataclass(frozen=True, slots=True)
class Page:
    """The channel's state and the frames after `position`, as of one moment.

    `position` '' means that the id asked for could not be resolved.
    """

    state: ChannelState
    position: str
    frames: list[Frame]


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as history gives it back: `id` is what `after` takes, `prev` the position before
    it, `frame` the event as `text/event-stream` has it (its `id:` may be the publisher's own)."""

    id: str
    event: str
    data: str
    prev: str
    frame: bytes

    @classmethod
    def of(cls, frame: Frame) -> StoredEvent:
        decoded = sse.decode(frame.data)
        return cls(frame.id, decoded.event, decoded.data, frame.prev, frame.data)

    @property
    def time_ms(self) -> int:
        """When it was stored: milliseconds since the epoch, by Redis' clock."""
        return milliseconds(self.id)

    @property
    def lost(self) -> bool:
        """Whether this is the hub's own word that history was lost, and no published event."""
        return not self.frame.startswith(b"id:")


def parse_page(reply: list[Any]) -> Page:
    """What `read.lua` answers."""
    position, found = reply[7:]
    frames = [
        Frame(found[i].decode(), found[i + 1].decode(), int(found[i + 2]), found[i + 3])
        for i in range(0, len(found), 4)
    ]
    return Page(parse_state(reply), position.decode(), frames)


def parse_state(reply: list[Any]) -> ChannelState:
    """What `read.lua` and `record.lua` answer first."""
    last, n, deletions, deleted, expired, end, before_end = reply[:7]
    return ChannelState(
        last.decode(),
        int(n or 0),
        int(deletions or 0),
        deleted.decode(),
        expired.decode(),
        end.decode(),
        before_end.decode(),
    )
