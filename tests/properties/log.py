"""What was really published: the truth that every stream is held against."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from hub.channel import order


@dataclass(frozen=True)
class Published:
    id: str
    data: str
    began: float
    acked: float


@dataclass
class Deletion:
    began: float
    ended: float = float("inf")


@dataclass
class ChannelLog:
    """One channel's events in the order of their ids, and what was done to its history."""

    name: str
    history_events: int
    events: list[Published] = field(default_factory=list)
    deletions: list[Deletion] = field(default_factory=list)
    emptied: bool = False
    muted: bool = False
    deleted_id: str = "0-0"
    finished: bool = False
    has_snapshots: bool = False

    def settle(self) -> None:
        """Everything is published: put it in order."""
        self.events.sort(key=lambda event: _place(event.id))
        self._places = [_place(event.id) for event in self.events]
        self.number = {event.data: i for i, event in enumerate(self.events)}
        assert len(self.number) == len(self.events), "an event was stored twice"

    def __len__(self) -> int:
        return len(self.events)

    def up_to(self, event_id: str) -> int:
        """How many events there are up to `event_id`."""
        return bisect_right(self._places, _place(event_id))

    def acked_by(self, moment: float) -> int:
        """How many at least are published: those acknowledged by then, and all before them."""
        return max((i + 1 for i, e in enumerate(self.events) if e.acked <= moment), default=0)

    def begun_by(self, moment: float) -> int:
        return sum(event.began <= moment for event in self.events)

    def gone_by(self, moment: float) -> int:
        """How many of the oldest events may have left the history by then."""
        trimmed = self.begun_by(moment) - self.history_events
        deleted = self.up_to(self.deleted_id) if self.deletions else 0
        return max(0, trimmed, deleted, len(self) if self.emptied else 0)


def _place(event_id: str) -> tuple[int, int]:
    return order(event_id) or (0, 0)
