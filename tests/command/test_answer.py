"""What is new in each event of an answer, whatever has been seen before."""

from __future__ import annotations

from typing import Any

from hub.event import compact_json
from hub.sse import Parsed
from hubbub.commands.answer import Answer, summary


def event(name: str, **data: Any) -> Parsed:
    return Parsed(name, compact_json(data), "1-0")


def delta(content: str, index: int = 0) -> Parsed:
    return event("delta", index=index, content=content)


def snapshot(content: str, attempt: int = 1) -> Parsed:
    return event("snapshot", attempt=attempt, choices=[{"index": 0, "content": content}])


def test_deltas_of_the_first_choice_are_the_text() -> None:
    answer = Answer()
    assert [answer.hear(one) for one in (delta("a"), delta("b", 1), delta("c"))] == ["a", "", "c"]


def test_a_snapshot_adds_what_was_missed() -> None:
    answer = Answer()
    answer.hear(delta("some "))
    assert answer.hear(snapshot("some text")) == "text"
    assert answer.hear(delta("!")) == "!"


def test_a_restart_voids_what_was_written() -> None:
    answer = Answer()
    answer.hear(delta("some"))
    answer.hear(event("restarted", attempt=2, reason="worker-lost"))
    assert (answer.begun_anew, answer.written) == ("worker-lost", False)
    assert answer.hear(delta("other")) == "other"


def test_a_restart_that_was_missed_shows_in_the_snapshot() -> None:
    answer = Answer()
    answer.hear(delta("some"))
    assert answer.hear(snapshot("other", attempt=2)) == "other"
    assert answer.begun_anew


def test_a_first_snapshot_of_a_later_attempt_voids_nothing() -> None:
    answer = Answer()
    assert answer.hear(snapshot("text", attempt=3)) == "text"
    assert not answer.begun_anew


def test_the_end_is_told_in_words() -> None:
    answer = Answer()
    assert answer.how_it_ended() == "the generation is gone"
    answer.hear(event("cancelled", by="me"))
    assert answer.how_it_ended() == "cancelled: by me"


def test_a_summary_has_what_is_known() -> None:
    record = {
        "id": "x",
        "status": "completed",
        "model": "m",
        "started": "2026-01-01T00:00:00.000Z",
        "finished": "2026-01-01T00:00:02.000Z",
        "usage": {"completion_tokens": 100},
        "cost": 0.00012,
    }
    told = "completed · m · 100 tokens · 50.0 tokens/s · 2.0 s · cost 0.00012 · hubbub tail x"
    assert summary(record) == told
    assert summary({"id": "x", "status": "cancelled"}) == "cancelled · hubbub tail x"
