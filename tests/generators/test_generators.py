"""What a generator yields and how it ends, without a stack (`hub.testing`)."""

from __future__ import annotations

import asyncio
import json
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
from workers.generators.stream import GeneratorStream


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


def test_an_asynchronous_one_is_one_task_from_its_beginning_to_its_end() -> None:
    answered = answer_of(sample.opening, "it")

    assert (answered.text, answered.failure) == ("ab of it", None)


def test_a_deadline_of_an_asynchronous_one_s_own_may_pass_between_two_items() -> None:
    source = Source(lambda: sample.opening(Request("x", [], prompt="it")), in_thread=False)
    assert source.next() == "a"
    gevent.sleep(sample.OPEN_SECONDS * 2)

    assert [source.next(), source.next()] == ["b of it", OVER]


@pytest.mark.parametrize("which", [sample.decorated, sample.agent, lambda request: ["x"]])
def test_an_object_and_what_a_decorator_made_yield_as_others_do(which: Callable[..., Any]) -> None:
    answered = answer_of(which, "x")

    assert (answered.text, answered.failure) == ("x", None)


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


def _leaves(request: Request) -> Iterator[str]:
    yield "x"
    raise GeneratorExit


async def _is_cancelled(request: Request) -> AsyncIterator[str]:
    yield "x"
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    "which",
    [
        _exits,
        generator(in_thread=True)(_exits),
        _times_out,
        _exits_too,
        _leaves,
        generator(in_thread=True)(_leaves),
        _is_cancelled,
    ],
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
        Data("x", {("a", "tuple"): 1}),
        Data("x", json.loads("[" * 200 + "]" * 200)),
        Data("x", 10**400),
        Data("x", "x" * 8 * 1024 * 1024),
        Usage(1, 1, more={"x": json.loads("[" * 200 + "]" * 200)}),
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


def test_data_may_be_larger_than_what_publishers_may_send() -> None:
    def answer(request: Request) -> Iterator[Any]:
        yield Data("picture", "x" * Settings().max_event_bytes)

    assert answer_of(answer).failure is None


def test_data_is_what_json_makes_of_it_at_that_moment() -> None:
    def answer(request: Request) -> Iterator[Any]:
        counts = {2024: (1, "\ud83d")}
        yield Data("counts", counts, id="first")
        counts[2025] = (2, "")
        yield Data("counts", counts, id="second")

    first, second = answer_of(answer).data
    assert first["data"] == {"2024": [1, "\ufffd"]}
    assert second["data"] == {"2024": [1, "\ufffd"], "2025": [2, ""]}


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


def test_one_that_is_cancelled_while_it_waits_for_its_turn_takes_none() -> None:
    begun: list[str] = []

    @generator(concurrency=1)
    def answer(request: Request) -> Iterator[str]:
        begun.append(request.id)
        yield "x"

    named = Generators({"answer": answer}).find("answer")
    assert named is not None
    first, second, third = (
        GeneratorStream(named, Request(name, []), Settings()) for name in ("1", "2", "3")
    )
    running = iter(first)
    next(running)
    waiting = [gevent.spawn(list, stream) for stream in (second, third)]
    gevent.idle()
    second.close()
    assert waiting[0].get(timeout=10) == []
    assert begun == ["1"]

    list(running)
    assert len(waiting[1].get(timeout=10)) == 2
    assert begun == ["1", "3"]


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
    for where in ("decorated", "agent"):
        named = Generators.from_settings(settings(f"agent=tests.generators.sample:{where}"))
        assert named.find("agent") is not None
    assert known.find(None) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("agent", "name=package.module:function"),
        ("agent=tests.generators.sample", "name=package.module:function"),
        ("agent=nowhere.to.be:found", "cannot be imported.*No module named 'nowhere'"),
        ("agent=tests.generators.sample:missing", "cannot be imported.*missing"),
        ("agent=tests.generators.sample:not_one", "is no generator"),
        ("agent=tests.generators.sample:no_generator", "is no generator"),
        ("agent=tests.generators.sample:Agent", "is no generator"),
        ("agent=tests.generators.leaving:answer", "cannot be imported.*SystemExit: 3"),
    ],
)
def test_one_that_cannot_be_had_is_one_line_at_the_start(value: str, words: str) -> None:
    with pytest.raises(SettingError, match=f"(?s)^HUB_GENERATORS.*{words}") as raised:
        Generators.from_settings(settings(value))
    assert "\n" not in str(raised.value)
