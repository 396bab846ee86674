"""What a generator yields and how it ends, without a stack (`hub.testing`)."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from hub.settings import SettingError, Settings
from hub.testing import answer_of
from tests.generators import sample
from tests.support.deadline import eventually
from workers.generators import (
    Data,
    GenerationFailed,
    Generators,
    Reasoning,
    Request,
    ToolCall,
    Usage,
    generator,
)
from workers.generators.source import OVER, Source


def test_what_is_yielded_is_the_answer() -> None:
    answered = answer_of(sample.plain, "why")

    assert answered.text == "The sea is salty. 🌊"
    assert answered.reasoning == "They ask: why"
    assert [call["id"] for call in answered.tool_calls] == ["call_0", "second"]
    assert answered.tool_calls[0]["function"] == {"name": "look", "arguments": '{"at":"the sea"}'}
    assert answered.usage == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    assert (answered.finish_reason, answered.failure) == ("length", None)


def test_data_with_the_id_of_an_earlier_one_replaces_it() -> None:
    assert answer_of(sample.plain).data == [
        {"name": "progress", "data": {"step": 2}, "id": "step"},
        {"name": "source", "data": {"url": "https://example.org"}, "id": None},
    ]


@pytest.mark.parametrize("which", [sample.awaiting, sample.blocking])
def test_asynchronous_and_blocking_ones_yield_as_others_do(
    which: Callable[[Request], Any],
) -> None:
    answered = answer_of(which, "a b c")

    assert (answered.text, answered.finish_reason) == ("abc", "stop")


def test_a_blocking_one_in_a_thread_holds_nobody_up() -> None:
    turns: list[float] = []
    ticking = gevent.spawn(_tick, turns)
    answer_of(sample.blocking, "a b c d e f")
    ticking.kill()

    assert len(turns) > 6  # more than one between two words


def _tick(turns: list[float]) -> None:
    while True:
        turns.append(time.monotonic())
        gevent.sleep(0.005)


def test_only_the_words_of_a_generation_failed_are_shown() -> None:
    answered = answer_of(sample.words)
    assert (answered.failure, answered.message) == ("no-sea", "there is no sea here")
    answered = answer_of(sample.broken)
    assert (answered.failure, answered.message) == ("generator-failed", "the generator failed")
    assert answered.text == "so far "


def test_a_code_and_words_that_no_client_could_use_are_made_fit() -> None:
    def answer(request: Request) -> Iterator[str]:
        yield "x"
        raise GenerationFailed("no\ud83d" * 10_000, code="No Code\n", retryable="maybe")  # type: ignore[arg-type]

    answered = answer_of(answer)
    assert answered.failure == "generator-failed"
    assert answered.message is not None and answered.message.startswith("no\ufffd")
    assert len(answered.message) == 2_000


def _exits(request: Request) -> Iterator[str]:
    yield "x"
    sys.exit(3)


def _times_out(request: Request) -> Iterator[str]:
    yield "x"
    raise gevent.Timeout(1)


async def _exits_too(request: Request) -> AsyncIterator[str]:
    yield "x"
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "which", [_exits, generator(in_thread=True)(_exits), _times_out, _exits_too]
)
def test_what_would_end_the_program_ends_the_answer(which: Callable[[Request], Any]) -> None:
    """gevent ends a process for a SystemExit of any greenlet, and of any thread of its pool."""
    answered = answer_of(which)
    gevent.sleep(0.05)
    assert (answered.text, answered.failure) == ("x", "generator-failed")


def test_one_that_fails_or_goes_on_as_it_is_closed_leaves_nothing_behind() -> None:
    stages: list[str] = []

    def answer(request: Request) -> Iterator[str]:
        while True:
            try:
                yield "x"
                gevent.sleep(30)
            except GeneratorExit:
                stages.append("told")
                if len(stages) > 1:
                    sys.exit(3)

    source = Source(lambda: answer(Request("x", [])), in_thread=False)
    source.next()
    waiting = gevent.spawn(source.next)
    gevent.sleep(0)
    source.close()
    assert waiting.get(timeout=10) == "x"  # it swallowed the first
    eventually(lambda: stages == ["told", "told"], 10)


@pytest.mark.parametrize(
    "item",
    [
        7,
        None,
        b"bytes",
        ["a", "list"],
        Data("no name", 1),
        Data("x", math.nan),
        Data("x", object()),
        Data("x", 1, id=7),  # type: ignore[arg-type]
        ToolCall("look", {"at": object()}),
        ToolCall(7),  # type: ignore[arg-type]
        ToolCall(""),
        Usage("many"),  # type: ignore[arg-type]
        Usage(-1),
        Usage(1, 1, more={"x": object()}),
    ],
)
def test_what_may_not_be_yielded_ends_it_in_words(item: object) -> None:
    def answer(request: Request) -> Iterator[Any]:
        yield "x"
        yield item

    answered = answer_of(answer)

    assert (answered.failure, answered.text) == ("generator-failed", "x")
    assert answered.message != "the generator failed"


def test_half_a_character_is_mended_everywhere() -> None:
    def answer(request: Request) -> Iterator[Any]:
        yield ToolCall("a\ud83d", '{"b": "\ud83d"}', id="\ud83d")
        yield Data("x", {"\ud83d": ["\ud83d"]}, id="\ud83d")
        yield Reasoning("\ud83d")
        yield "\ud83d"

    answered = answer_of(answer)

    assert "\ud83d" not in repr(answered.tool_calls) + repr(answered.data)
    assert answered.reasoning == answered.text == "\ufffd"
    assert answered.failure is None


def test_one_that_says_nothing_is_ended_by_the_deadlines() -> None:
    def answer(request: Request) -> Iterator[Any]:
        if request.prompt:
            yield request.prompt
        gevent.sleep(30)

    assert answer_of(answer, timeout_seconds=0.05).failure == "first-delta-timeout"
    assert answer_of(answer, "x", timeout_seconds=0.05).failure == "stall-timeout"


@pytest.mark.parametrize(
    ("which", "end"),
    [(sample.waiting, "GeneratorExit"), (sample.waiting_too, "cancelled")],
)
def test_a_cancel_is_raised_where_it_waits(
    which: Callable[[Request], Any], end: str, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    source = Source(lambda: which(Request("x", [], prompt=str(note))), in_thread=False)
    assert source.next() == "begun"
    waiting = gevent.spawn(source.next)
    gevent.sleep(0.05)

    source.close()

    assert waiting.get(timeout=5) is OVER
    eventually(lambda: note.exists() and note.read_text() == end, every_seconds=0.01)


def test_a_cancel_before_anything_was_asked_runs_nothing() -> None:
    source = Source(lambda: sample.plain(Request("x", [])), in_thread=False)
    source.close()


# ── HUB_GENERATORS ───────────────────────────────────────────────────────────────────────────


def settings(value: str) -> Settings:
    return Settings.from_environ({"HUB_GENERATORS": value})


def test_the_setting_names_them() -> None:
    known = Generators.from_settings(
        settings("agent=tests.generators.sample:plain, other=tests.generators.sample:awaiting")
    )
    agent = known.find("agent")
    assert agent is not None
    assert agent.answer is sample.plain
    assert known.find("third") is None
    assert known.find(None) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("agent", "name=package.module:function"),
        ("agent=tests.generators.sample", "name=package.module:function"),
        ("agent=nowhere.to.be:found", "cannot be imported.*No module named 'nowhere'"),
        ("agent=tests.generators.sample:missing", "cannot be imported.*missing"),
        ("agent=tests.generators.sample:not_one", "is no generator"),
    ],
)
def test_one_that_cannot_be_had_is_one_line_at_the_start(value: str, words: str) -> None:
    with pytest.raises(SettingError, match=f"(?s)^HUB_GENERATORS.*{words}") as raised:
        Generators.from_settings(settings(value))
    assert "\n" not in str(raised.value)
