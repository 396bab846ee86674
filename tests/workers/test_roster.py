"""What workers say of themselves, and what web processes make of it."""

from __future__ import annotations

import pytest

from hub.store.redis_link import RedisLink
from workers.roster import Report, Roster


@pytest.fixture
def roster(link: RedisLink) -> Roster:
    return Roster(link, lease_seconds=15)


def test_the_models_are_those_that_any_living_worker_can_ask_each_once(roster: Roster) -> None:
    roster.report("a", Report(("one", "two")))
    roster.report("b", Report(("two", "three")))
    assert set(roster.models()) == {"one", "two", "three"} and len(roster.models()) == 3


def test_what_a_worker_said_counts_for_a_lease_and_until_it_leaves(link: RedisLink) -> None:
    lapsed = Roster(link, lease_seconds=-1)
    lapsed.report("dead", Report(("gone",)))
    roster = Roster(link, lease_seconds=15)
    assert roster.reports() == []
    roster.report("a", Report(("one",)))
    assert roster.models() == ("one",)
    roster.forget("a")
    assert roster.reports() == []


def test_a_problem_is_one_where_every_worker_has_it(roster: Roster) -> None:
    assert roster.problem() == ""
    roster.report("a", Report((), "the local model does not answer"))
    assert roster.problem() == "the local model does not answer"
    roster.report("b", Report(("one",)))
    assert roster.problem() == ""
