"""What follows a position: the tables of `hub.store.follow`, the races of `docs/flows.md` as inputs
and outputs, and worlds of them by the ten thousand against a model that keeps everything.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.channel import BEFORE_FIRST, place
from hub.store.announcement import DeletionNotice
from hub.store.chunk import Chunk
from hub.store.follow import Heard, contradicts, found, heard, shorter
from hub.store.frame import ChannelState, Frame, Page

A, B, C, D = (f"{n}-0" for n in range(1, 5))


def events(prev: str, last: str) -> Chunk:
    return Chunk(prev, last, 1, 1, b"", 0, ends=False)


def page(
    position: str,
    *links: tuple[str, str],
    head: str | None = None,
    deletions: int = 0,
    deleted: str = "",
    expired: str = "",
    end: str = "",
) -> Page:
    """A page whose frames are `links` of (predecessor, id); its head is the last of them."""
    frames = [Frame(one, prev, n, b"") for n, (prev, one) in enumerate(links, 1)]
    last = head if head is not None else frames[-1].id if frames else position
    last = "" if last == BEFORE_FIRST else last
    return Page(ChannelState(last, 9, deletions, deleted, expired, end, ""), position, frames)


@pytest.mark.parametrize(
    ("news", "answer"),
    [
        (events(B, C), Heard.CONTINUES),
        (events(A, B), Heard.KNOWN),
        (events(BEFORE_FIRST, A), Heard.KNOWN),
        (events(C, D), Heard.MISSING),
        (events(A, C), Heard.MISSING),
        (DeletionNotice(B, 3), Heard.KNOWN),
        (DeletionNotice(B, 4), Heard.DELETED),
        (DeletionNotice(B, 5), Heard.MISSING),
        (DeletionNotice(B, 1), Heard.MISSING),
    ],
)
def test_an_announcement_means_one_thing_at_a_position(
    news: Chunk | DeletionNotice, answer: Heard
) -> None:
    assert heard(news, B, 3) is answer


@pytest.mark.parametrize(
    ("read", "lost", "at"),
    [
        (page(A, (A, B), (B, C)), None, A),
        (page(B), None, B),
        (page(BEFORE_FIRST), None, BEFORE_FIRST),
        (page(A, (B, C)), "trimmed", B),
        (page(A, (B, C), expired=B), "expired", B),
        (page(A, (B, C), deleted=B), "deleted", B),
        (page(A, (B, C), deleted=B, expired=B), "deleted", B),
        (page(A, (B, C), deleted=A), "trimmed", B),
        (page(A, (B, C), expired=A), "trimmed", B),
        (page(A, head=C), "expired", C),
        (page(A, head=C, deleted=C), "deleted", C),
        (page(D, head=C), "unknown-id", C),
        (page("", head=C), "unknown-id", C),
        (page("2-7", (B, C)), "unknown-id", B),
        (page(A, (A, B), deletions=1), "deleted", A),
        (page(B, deletions=1), "deleted", B),
    ],
)
def test_a_page_means_one_thing_at_its_position(read: Page, lost: str | None, at: str) -> None:
    what = found(read, 0)
    assert (what.lost, what.at) == (lost, at)


def test_a_follower_that_has_just_come_has_not_missed_an_earlier_deletion() -> None:
    assert found(page(A, (A, B), deletions=3)).lost is None


def test_a_page_says_whether_there_is_more_and_whether_that_was_the_end() -> None:
    assert found(page(A, (A, B), head=C)).more
    assert not found(page(A, (A, B))).more
    assert found(page(A, (A, B), end=B)).ended
    assert found(page(B, end=B)).ended
    assert not found(page(A, (A, B), head=C, end=C)).ended
    assert found(page(A, (A, B))).reached == B


# ── the races of docs/flows.md ───────────────────────────────────────────────────────────────


def test_events_published_while_history_was_read_are_taken_once() -> None:
    """Subscribed, then read: what came in between is announced, and stands in the page too."""
    position = found(page(A, (A, B), (B, C))).reached
    assert heard(events(A, B), position, 0) is Heard.KNOWN
    assert heard(events(B, C), position, 0) is Heard.KNOWN
    assert heard(events(C, D), position, 0) is Heard.CONTINUES


def test_a_subscription_made_again_hides_a_hole_until_the_next_event_shows_it() -> None:
    assert heard(events(B, C), A, 0) is Heard.MISSING
    what = found(page(A, (A, B), (B, C)), 0)
    assert (what.lost, what.reached) == (None, C)


def test_a_deletion_that_was_announced_while_nobody_heard_is_told_by_the_page() -> None:
    assert found(page(B, deletions=1), 0).lost == "deleted"


def test_a_redis_that_knows_of_fewer_deletions_was_emptied_or_has_failed_over() -> None:
    assert found(page(B, head=""), 1).lost == "unknown-id"
    assert found(page(A, (A, B)), 1).lost == "unknown-id"


def test_a_deletion_and_an_event_behind_it_are_a_loss_and_the_event() -> None:
    what = found(page(A, (B, C), deletions=1, deleted=B), 0)
    assert (what.lost, what.at, what.reached) == ("deleted", B, C)


def test_redis_emptied_is_a_channel_that_is_shorter_than_what_is_known() -> None:
    assert shorter(page(C, head=""), C)
    assert contradicts(page(C, head=A), C)
    assert contradicts(page(A, (BEFORE_FIRST, D)), C)
    assert not contradicts(page(A, (A, D)), C)
    assert not contradicts(page(BEFORE_FIRST, (BEFORE_FIRST, D)), D)


def test_a_failover_that_lost_the_newest_events_is_an_id_from_the_future() -> None:
    assert found(page(D, head=B)).lost == "unknown-id"
    assert shorter(page(D, head=B), D)


# ── worlds ───────────────────────────────────────────────────────────────────────────────────


class World:
    """A channel that keeps everything it ever had, beside what its history still has, and a
    follower that is told of it by announcements that may be lost, late, doubled or out of order."""

    def __init__(self) -> None:
        self.ever: list[str] = []
        self.kept: list[Frame] = []
        self.state = ChannelState("", 0, 0, "", "", "", "")
        self.under_way: list[Chunk | DeletionNotice] = []
        self.position, self.deletions = BEFORE_FIRST, 0
        self.had: list[str] = []
        self.missing: set[str] = set()

    # what happens to the channel

    def publish(self, count: int) -> None:
        prev = first = self.state.head
        for _ in range(count):
            one = f"{len(self.ever) + 1}-0"
            self.ever.append(one)
            self.kept.append(Frame(one, prev, len(self.ever), b""))
            prev = one
        self._state(last=prev, n=len(self.ever))
        self.under_way.append(Chunk(first, prev, count, len(self.ever), b"", 0, ends=False))

    def trim(self, count: int) -> None:
        del self.kept[:count]

    def expire(self, count: int) -> None:
        if gone := self.kept[:count]:
            self.trim(count)
            self._state(expired=gone[-1].id)

    def delete(self, _: int) -> None:
        if self.state.last:
            self.kept.clear()
            self._state(deleted=self.state.last, deletions=self.state.deletions + 1)
            self.under_way.append(DeletionNotice(self.state.last, self.state.deletions))

    # what the follower gets to hear

    def announce(self, number: int) -> None:
        if self.under_way:
            self._hear(self.under_way.pop(number % len(self.under_way)))

    def announce_twice(self, number: int) -> None:
        if self.under_way:
            self._hear(self.under_way[number % len(self.under_way)])

    def lose(self, number: int) -> None:
        if self.under_way:
            self.under_way.pop(number % len(self.under_way))

    def read(self, limit: int) -> bool:
        """Read a page, as every follower does; whether there is more."""
        after = [frame for frame in self.kept if place(frame.id) > place(self.position)]
        what = found(Page(self.state, self.position, after[:limit]), self.deletions)
        gone = {one for one in self.ever if place(self.position) < place(one) <= place(what.at)}
        assert what.lost is not None or not gone, "a hole that nobody was told of"
        assert what.lost in (None, "deleted") or gone, "told of a loss, and nothing is lost"
        assert (what.lost == "deleted") >= (self.deletions != self.state.deletions)
        self.missing |= gone
        self.deletions = self.state.deletions
        self.had += [frame.id for frame in what.frames]
        self.position = what.reached
        return what.more

    def _hear(self, news: Chunk | DeletionNotice) -> None:
        answer = heard(news, self.position, self.deletions)
        if answer is Heard.CONTINUES and isinstance(news, Chunk):
            first = self.ever.index(news.last) - news.count + 1
            self.had += self.ever[first : first + news.count]
            self.position = news.last
        elif answer is not Heard.KNOWN:
            self.read(2)

    def _state(self, **changes: object) -> None:
        fields = {name: getattr(self.state, name) for name in ChannelState.__slots__}
        self.state = ChannelState(**{**fields, **changes})

    def judge(self) -> None:
        """Read to the head, and look back: everything once and in order, or told."""
        while self.read(3):
            pass
        assert self.position == self.state.head
        assert self.had == [one for one in self.ever if one not in self.missing]


STEPS: tuple[Callable[[World, int], object], ...] = (
    World.publish,
    World.publish,
    World.announce,
    World.announce,
    World.announce_twice,
    World.lose,
    World.read,
    World.trim,
    World.expire,
    World.delete,
)


def play(steps: list[tuple[int, int]]) -> None:
    world = World()
    for which, number in steps:
        STEPS[which](world, number)
    world.judge()


@given(st.lists(st.tuples(st.integers(0, len(STEPS) - 1), st.integers(1, 4)), max_size=30))
@settings(deadline=None)  # as many as the profile says: a hundred, or `larger`
def test_a_follower_has_every_event_once_and_in_order_or_is_told(
    steps: list[tuple[int, int]],
) -> None:
    play(steps)


def test_in_ten_thousand_worlds_made_from_seeds_too() -> None:
    for seed in range(10_000):
        random = Random(seed)
        play([(random.randrange(len(STEPS)), random.randint(1, 4)) for _ in range(24)])
