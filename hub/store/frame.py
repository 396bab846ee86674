"""Frames as history has them, a page of them, and what the page proves to be missing.

A page and the channel's state are of one moment: the script (`lua/read.lua`) answers in one step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from hub import sse
from hub.channel import BEFORE_FIRST, milliseconds, order, place
from hub.event import StoredEvent


class Frame(NamedTuple):
    """A stored event as bytes. `n` counts the channel's events up to this one."""

    id: str
    prev: str
    n: int
    data: bytes


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

    @property
    def whole(self) -> bool:
        """Nothing between `position` and the first frame (or the head) is missing."""
        if self.frames:
            return self.frames[0].prev == self.position
        return self.position == self.state.head

    def loss(self) -> str | None:
        """None where the page is whole, else why events after `position` are gone (contract §2)."""
        if self.whole:
            return None
        state, at = self.state, order(self.position)
        if at is None or at > place(state.head):
            return "unknown-id"
        if self.frames and place(self.frames[0].prev) < at:
            return "unknown-id"  # nothing is missing, but it never was an id of this channel
        if state.deleted and at < place(state.deleted):
            return "deleted"
        if not self.frames or (state.expired and at < place(state.expired)):
            return "expired"
        return "trimmed"


def stored_event(frame: Frame) -> StoredEvent:
    """A frame as values."""
    parsed = next(sse.Parser().feed(frame.data))
    return StoredEvent(frame.id, frame.prev, parsed.event, parsed.data, milliseconds(frame.id))


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
