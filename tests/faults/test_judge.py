"""The suite's own tools: a fault that they did not see would be one that nobody sees."""

from __future__ import annotations

from hub.sse import Parsed, Parser
from tests.faults.audience import Judge
from tests.faults.payload import number_of, payload
from tests.faults.soak.tally import MIB, leaks


def judged(*numbers: int) -> Judge:
    judge = Judge("news")
    for number in numbers:
        judge.event(Parsed("message", payload("news", number), f"{number}-0"))
    return judge


def test_a_missing_event_is_counted_as_lost() -> None:
    assert judged(1, 2, 5).lost == 2


def test_an_event_that_comes_again_or_late_is_counted_as_doubled() -> None:
    assert (judged(1, 2, 2).doubled, judged(1, 3, 2).doubled) == (1, 1)


def test_an_event_with_another_byte_or_of_another_channel_is_counted_as_damaged() -> None:
    judge = judged(1)
    judge.event(Parsed("message", payload("news", 2)[:-1], "2-0"))
    judge.event(Parsed("message", payload("sport", 2), "2-0"))
    assert (judge.damaged, judge.delivered) == (2, 1)


def test_only_a_told_loss_allows_a_jump_and_only_one() -> None:
    judge = judged(1)
    judge.loss("trimmed")
    for number in (7, 8, 10):
        judge.event(Parsed("message", payload("news", number), f"{number}-0"))
    assert (judge.lost, judge.losses) == (1, ["trimmed"])


def test_payloads_name_themselves_and_hold_what_is_easily_damaged() -> None:
    texts = [payload("news", number) for number in range(1, 300)]
    assert [number_of("news", text) for text in texts] == list(range(1, 300))
    assert any("\n\n" in text for text in texts) and any(len(text) > 1000 for text in texts)


def test_who_is_cut_off_within_an_event_returns_in_front_of_it() -> None:
    """The standard moves the position at the blank line (§9.2.6), not at the `id:` line: a listener
    that is cut off in between would skip the event."""
    parser = Parser()
    assert [event.data for event in parser.feed(b"id: 1-0\ndata: a\n\nid: 2-0\ndata: b\n")] == ["a"]
    assert parser.last_id == "1-0"
    assert [event.data for event in parser.feed(b"\n")] == ["b"]
    assert parser.last_id == "2-0"


def test_what_goes_on_growing_is_a_leak_and_one_step_is_none() -> None:
    def curve(*mib: float) -> list[int]:
        return [int(each * MIB) for each in mib for _ in range(20)]

    assert leaks(curve(46, 50, 54, 58))
    assert leaks(curve(*(40 + n / 2 for n in range(40))))
    for flat in (curve(46, 46, 53, 53), curve(46, 46, 46, 53), curve(40, 46, 47, 48)):
        assert not leaks(flat)
