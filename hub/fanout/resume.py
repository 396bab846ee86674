"""Where a listener begins on one channel, and what it is told about it: the resume verdict (§2)."""

from __future__ import annotations

from dataclasses import dataclass

from hub.channel import BEFORE_FIRST, order, place
from hub.errors import NotFound
from hub.fanout.channel_kind import Snapshot
from hub.fanout.room import Room
from hub.own_events import Verdict
from hub.store.follow import found
from hub.store.frame import Page


@dataclass(frozen=True, slots=True)
class StartingPoint:
    """`position` is where the frames are read from; `shown_id` the id that says so to the client
    ('' where a snapshot brings the first one)."""

    position: str
    shown_id: str
    recovered: bool = True
    replayed: int = 0
    reason: str | None = None
    snapshot: Snapshot | None = None
    ended: bool = False

    def verdict(self, last: str) -> Verdict:
        newest = None if last == BEFORE_FIRST else last
        return Verdict(self.recovered, self.replayed, self.reason, newest)


def resume(room: Room, last_id: str | None, start: str | None) -> StartingPoint:
    """Where to begin: after `last_id`, or, without one, where `start` says (`now`, `start`,
    `snapshot`, None for the channel's default). The room must be settled.

    Raises `NotFound` where the channel's kind has no record of it, and `RedisUnavailable`.
    """
    if last_id is None:
        return _afresh(room, start)
    if last_id == room.end:
        return StartingPoint(last_id, last_id, ended=True)
    if order(last_id) is not None:
        replayed = room.count_after(last_id)
        if replayed is not None:
            return StartingPoint(last_id, last_id, replayed=replayed)
    page = room.read(last_id)
    if page.position and page.position == room.end:
        return StartingPoint(page.position, last_id, ended=True)
    what = found(page)
    replayed = _count(room, page)
    if what.lost is None:
        return StartingPoint(what.at, last_id, replayed=replayed)
    if room.kind is not None:
        return _snapshot(room, what.at, recovered=False, reason=what.lost)
    if not page.position:
        fresh = _afresh(room, start)
        return StartingPoint(fresh.position, fresh.shown_id, False, fresh.replayed, what.lost)
    # An id from the future is not the place where its owner begins: if that were shown, a client
    # that is cut off before the first event would come back to the same loss.
    ahead = place(page.position) > place(page.state.head)
    shown = page.state.head if ahead else last_id
    return StartingPoint(what.at, shown, False, replayed, what.lost)


def _afresh(room: Room, start: str | None) -> StartingPoint:
    if room.kind is not None and start in (None, "snapshot"):
        return _snapshot(room)
    if start == "start":
        replayed = room.count_after(BEFORE_FIRST)
        if replayed is not None:
            return StartingPoint(BEFORE_FIRST, BEFORE_FIRST, replayed=replayed)
        page = room.read(BEFORE_FIRST)
        what = found(page)
        if room.kind is not None and what.lost is not None:
            return _snapshot(room, what.at)
        return StartingPoint(what.at, BEFORE_FIRST, replayed=_count(room, page))
    return StartingPoint(room.head, room.head, ended=bool(room.end))


def _snapshot(
    room: Room,
    least: str = BEFORE_FIRST,
    *,
    recovered: bool = True,
    reason: str | None = None,
) -> StartingPoint:
    snapshot = room.snapshot(least)
    if snapshot is None:
        raise NotFound(f"there is no {room.channel}")
    shown = "" if snapshot.frame else snapshot.position
    replayed = room.count_after(snapshot.position) or 0
    return StartingPoint(snapshot.position, shown, recovered, replayed, reason, snapshot)


def _count(room: Room, page: Page) -> int:
    return max(0, room.n - page.frames[0].n + 1) if page.frames else 0
