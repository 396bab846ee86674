"""What follows a position in a channel? The one place that decides it; no I/O, no clock, no state.

Everything that follows a channel has a *position* (the id of the last event that it has had) and
has heard of so many deletions: a room for its process, a listener that is behind, a program's
subscription, and a client that comes back with an id. Two kinds of input move a follower.

`heard` answers for what is announced:

    the announcement                                  answer      then
    events, their predecessor is the position         CONTINUES   take them: they are what is next
    events, the newest at or before the position      KNOWN       drop them: they were had
    any other events                                  MISSING     something went by: read history
    the deletion that was heard of last               KNOWN       drop it
    the next deletion                                 DELETED     all up to the position is gone
    any other deletion (Redis was emptied, or a hole) MISSING     read history

`found` answers for a page of history, which is of one moment with the channel's state:

    the page                                          lost        go on at
    the channel was deleted since                     deleted     in front of what is left
    of fewer deletions than it heard of               unknown-id  in front of what is left
    continues the position, or ends there             –           the position
    the id is none of ours, or from the future        unknown-id  in front of what is left
    begins before the position                        unknown-id  in front of what is left
    begins later; a deletion lies between             deleted     in front of what is left
    … nothing is left, or what expired lies between   expired     in front of what is left
    … otherwise                                       trimmed     in front of what is left

"In front of what is left" is the predecessor of the oldest event that is left behind the position,
or the channel's newest id where none is. A continuation is *proved* by the chain (each event names
the one before it), never by a count: counts are handed out twice by a failover, ids are not.

A process may know of more than Redis does: Redis was emptied, or failed over to a replica that had
less. `contradicts` tells; then nothing in the process's memory may be sent, and it reads again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from hub.channel import BEFORE_FIRST, order, place
from hub.store.announcement import DeletionNotice
from hub.store.chunk import Chunk
from hub.store.frame import Frame, Page


class Heard(Enum):
    """What an announcement means at a position."""

    CONTINUES = auto()
    KNOWN = auto()
    MISSING = auto()
    DELETED = auto()


@dataclass(frozen=True, slots=True)
class Found:
    """What a page of history means at its position.

    `lost`: why events are gone (a reason of contract §2), None where nothing is. `at`: where to go
    on, which is in front of `frames`. `more`: there is more to read behind them. `ended`: whoever
    has them all has the channel's terminal event.
    """

    lost: str | None
    at: str
    frames: list[Frame]
    more: bool
    ended: bool

    @property
    def reached(self) -> str:
        """The position behind the frames."""
        return self.frames[-1].id if self.frames else self.at


def heard(news: Chunk | DeletionNotice, position: str, deletions: int) -> Heard:
    """What `news` means to a follower at `position` that has heard of `deletions`."""
    if isinstance(news, DeletionNotice):
        if news.deletions == deletions + 1:
            return Heard.DELETED
        return Heard.KNOWN if news.deletions == deletions else Heard.MISSING
    if news.prev == position:
        return Heard.CONTINUES
    return Heard.MISSING if place(news.last) > place(position) else Heard.KNOWN


def found(page: Page, deletions: int | None = None) -> Found:
    """What `page` means to a follower that asked for what comes after `page.position` and has heard
    of `deletions`; None for one that has just come and cannot have heard of any."""
    state = page.state
    lost = _loss(page)
    if deletions is not None and deletions != state.deletions:
        lost = "deleted" if deletions < state.deletions else "unknown-id"
    at = page.position
    if not continues(page):
        at = page.frames[0].prev if page.frames else state.head
    reached = page.frames[-1].id if page.frames else at
    return Found(
        lost, at, page.frames, reached != state.head, bool(state.end) and reached == state.end
    )


def continues(page: Page) -> bool:
    """Whether nothing is gone between the position and the first frame, or the channel's newest."""
    if page.frames:
        return page.frames[0].prev == page.position
    return page.position == page.state.head


def contradicts(page: Page, head: str) -> bool:
    """Whether `page` shows that Redis has lost what a process with `head` has had: the channel is
    shorter than that, or it has begun again from before the first event."""
    begins = page.frames[0].prev if page.frames else ""
    begun_again = begins == BEFORE_FIRST and page.position not in (BEFORE_FIRST, "")
    return begun_again or shorter(page, head)


def shorter(page: Page, head: str) -> bool:
    """Whether the channel is shorter than a process with `head` knows it."""
    return place(page.state.head) < place(head)


def _loss(page: Page) -> str | None:
    if continues(page):
        return None
    state, at = page.state, order(page.position)
    if at is None or at > place(state.head):
        return "unknown-id"
    if page.frames and place(page.frames[0].prev) < at:
        return "unknown-id"  # nothing is missing, but it never was an id of this channel
    if state.deleted and at < place(state.deleted):
        return "deleted"
    if not page.frames or (state.expired and at < place(state.expired)):
        return "expired"
    return "trimmed"
