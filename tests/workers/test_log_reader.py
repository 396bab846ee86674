"""Reading a log that grows, is replaced, and loses what a failover did not keep."""

from __future__ import annotations

from typing import Any

import pytest

from hub.event import Event
from hub.settings import Settings
from hub.store.history import RecordWrite
from tests.workers.conftest import Ask, Attempts
from workers import log_reader
from workers.generation import Generation
from workers.log_reader import LogReader
from workers.store import Generations
from workers.transcript import Transcript, delta_json


def say(generations: Generations, generation: Generation, fence: str, *texts: str) -> None:
    lines = [delta_json(0, "content", text) for text in texts]
    write = RecordWrite({"fence": fence}, log="".join(f"{line}\n" for line in lines))
    events = [Event(line, "delta") for line in lines]
    generations.history.append(generation.channel, events, record=write)


def content(reader: LogReader[Transcript]) -> str:
    reader.read()
    return "".join(choice["content"] for choice in reader.fold.choices_json())


@pytest.fixture(params=[1, 7, 512 * 1024])
def page_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    size: int = request.param
    monkeypatch.setattr(log_reader, "PAGE_BYTES", 64 + size)
    return size


def test_a_reader_goes_on_where_it_stood_at_whatever_borders_the_pages_lie(
    ask: Ask, attempts: Attempts, generations: Generations, page_bytes: int
) -> None:
    generation = ask()
    fence = attempts.claim(generation.id).fence
    reader = LogReader(generations.history, generation.channel, Transcript)
    assert content(reader) == ""
    told = ""
    for text in ("Grüße 🙂", "\n\n", '"}', "", "ende" * 30):
        say(generations, generation, fence, text, text)
        told += text + text
        assert content(reader) == told


def test_a_log_that_was_begun_anew_is_read_from_its_beginning(
    ask: Ask, attempts: Attempts, generations: Generations, page_bytes: int
) -> None:
    generation = ask()
    reader = LogReader(generations.history, generation.channel, Transcript)
    for text in ("one", "two, which is longer", "3"):
        say(generations, generation, attempts.claim(generation.id).fence, text)
        assert content(reader) == text


def test_a_log_that_lost_its_end_and_got_another_is_read_from_its_beginning(
    ask: Ask, attempts: Attempts, generations: Generations, page_bytes: int
) -> None:
    generation = ask()
    fence = attempts.claim(generation.id).fence
    reader = LogReader(generations.history, generation.channel, Transcript)
    say(generations, generation, fence, "kept, ")
    key = f"hub:{{{generation.channel}}}:log"
    client: Any = generations.history.link.client
    kept = client.get(key)
    say(generations, generation, fence, "lost by the failover")
    assert content(reader) == "kept, lost by the failover"
    client.set(key, kept)
    assert content(reader) == "kept, "
    say(generations, generation, fence, "said by another who was longer about it")
    assert content(reader) == "kept, said by another who was longer about it"


def test_a_long_answer_stays_folded_and_the_memory_for_that_is_bounded(
    ask: Ask, attempts: Attempts, generations: Generations
) -> None:
    """Read again, it costs what was added; and of many, the ones read last stay."""
    asked = [ask() for _ in range(3)]
    for generation in asked:
        say(generations, generation, attempts.claim(generation.id).fence, *["x" * 50_000] * 8)
    each = generations.history.record(asked[0].channel).log_bytes
    for folded_bytes, stay in ((0, 0), (2 * each - 1, 1), (2 * each, 2)):
        settings = Settings.from_environ({"HUB_FOLDED_BYTES": str(folded_bytes)})
        answers = Generations(generations.history, generations.queue, settings).answers
        for generation in asked:
            assert len(answers.read(generation.id).choices[0]["content"]) == 400_000
        assert list(answers._kept) == [generation.id for generation in asked[3 - stay :]]
    kept = answers._kept[asked[1].id].reader
    place = kept.bytes
    answers.read(asked[1].id)
    assert answers._kept[asked[1].id].reader is kept
    assert kept.bytes == place
