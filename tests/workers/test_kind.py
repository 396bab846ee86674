"""Snapshots and views of a generation's channel, on a real Valkey."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from hub.channel import BEFORE_FIRST
from hub.errors import FieldError, NotFound
from hub.event import Event
from hub.settings import Settings
from hub.store.frame import Frame, StoredEvent
from hub.store.history import RecordWrite
from tests.workers.conftest import Ask, Attempts
from workers.dialects.openai import OpenAI
from workers.dialects.text import Text
from workers.generation import Generation, Terminal
from workers.kind import GenerationKind
from workers.provider import Delta
from workers.store import Generations
from workers.transcript import delta_json

END = Terminal.completed({0: "stop"}, None, None)


@pytest.fixture
def kind(generations: Generations, settings: Settings) -> GenerationKind:
    return GenerationKind(generations.answers, settings.history_events)


def data_of(frame: Frame | None) -> Any:
    assert frame is not None
    return json.loads(StoredEvent.of(frame).data)


def content(frame: Frame | None) -> str:
    text: str = data_of(frame)["choices"][0]["content"]
    return text


def say(generations: Generations, generation: Generation, fence: str, text: str) -> str:
    """One delta of an attempt; its id."""
    data = delta_json(0, "content", text)
    write = RecordWrite({"fence": fence}, log=data + "\n")
    stored = generations.history.append(generation.channel, [Event(data, "delta")], record=write)
    return stored.ids[0]


def test_a_channel_without_a_record_has_no_snapshot(kind: GenerationKind) -> None:
    assert kind.snapshot("generation:nobody") is None
    with pytest.raises(NotFound):
        kind.view("generation:nobody", "text", None)


def test_before_the_first_delta_the_first_events_stand_for_themselves(
    ask: Ask, kind: GenerationKind, attempts: Attempts
) -> None:
    generation = ask()
    for _ in range(2):
        found = kind.snapshot(generation.channel)
        assert found is not None
        assert (found.frame, found.position, found.terminal) == (None, BEFORE_FIRST, None)
        attempts.claim(generation.id)


def test_a_snapshot_says_everything_so_far_and_stands_at_its_last_event(
    ask: Ask, kind: GenerationKind, attempts: Attempts, generations: Generations
) -> None:
    generation = ask()
    claim = attempts.claim(generation.id)
    say(generations, generation, claim.fence, "Hel")
    last = say(generations, generation, claim.fence, "lo")
    found = kind.snapshot(generation.channel)
    assert found is not None
    assert found.frame is not None
    assert found.frame.data.startswith(b"id: %s\nevent: snapshot\n" % last.encode())
    assert (found.position, found.frame.id, found.terminal) == (last, last, None)
    assert data_of(found.frame) == {
        "attempt": 1,
        "choices": [{"index": 0, "content": "Hello", "reasoning": "", "tool_calls": []}],
        "status": "running",
    }


def test_a_restart_takes_the_text_back_and_there_is_nothing_to_show(
    ask: Ask, kind: GenerationKind, attempts: Attempts, generations: Generations
) -> None:
    generation = ask()
    say(generations, generation, attempts.claim(generation.id).fence, "Hel")
    attempts.claim(generation.id)
    found = kind.snapshot(generation.channel)
    assert found is not None
    head = generations.history.state(generation.channel).last
    assert (found.frame, found.position) == (None, head)


def test_after_the_end_the_snapshot_stands_before_the_terminal_event_and_brings_it(
    ask: Ask, kind: GenerationKind, attempts: Attempts, generations: Generations
) -> None:
    generation = ask()
    publisher = attempts.begin(generation.id)
    publisher.put(Delta(0, "content", "all"))
    assert publisher.finish(END)
    state = generations.history.state(generation.channel)
    terminal = generations.history.read(generation.channel, state.before_end).frames[0]
    found = kind.snapshot(generation.channel)
    assert found is not None
    assert (found.position, content(found.frame)) == (state.before_end, "all")
    assert found.terminal == terminal


def test_the_terminal_event_is_there_when_history_has_let_it_go(
    ask: Ask, kind: GenerationKind, attempts: Attempts, generations: Generations
) -> None:
    generation = ask()
    publisher = attempts.begin(generation.id)
    publisher.put(Delta(0, "content", "all"))
    assert publisher.finish(END)
    whole = kind.snapshot(generation.channel)
    generations.history.link.client.delete(f"hub:{{{generation.channel}}}:events")
    assert kind.snapshot(generation.channel) == whole


def test_an_end_without_text_is_found_in_the_history_or_in_the_record(
    ask: Ask, attempts: Attempts, generations: Generations
) -> None:
    generation = ask()
    assert attempts.begin(generation.id).finish(END)
    state = generations.history.state(generation.channel)
    found = GenerationKind(generations.answers, 10_000).snapshot(generation.channel)
    assert found is not None
    assert (found.frame, found.position, found.terminal) == (None, BEFORE_FIRST, None)
    trimmed = GenerationKind(generations.answers, 1).snapshot(generation.channel)
    assert trimmed is not None
    assert trimmed.frame is None
    assert trimmed.position == state.before_end
    assert trimmed.terminal is not None
    assert trimmed.terminal.id == state.end


def test_a_snapshot_and_what_follows_it_are_the_text_whenever_it_is_taken(
    ask: Ask, kind: GenerationKind, attempts: Attempts, generations: Generations
) -> None:
    """A late tab: snapshot, then the events after its position, while the model goes on."""
    generation = ask()
    fence = attempts.claim(generation.id).fence
    words = [f"word{number} " for number in range(300)]

    def speak() -> None:
        for word in words:
            say(generations, generation, fence, word)

    speaker = threading.Thread(target=speak)
    speaker.start()
    taken = []
    while speaker.is_alive():
        taken.append(kind.snapshot(generation.channel))
    speaker.join()
    assert len(taken) > 10
    for snapshot in taken:
        assert snapshot is not None
        text = content(snapshot.frame) if snapshot.frame else ""
        frames = generations.history.read(generation.channel, snapshot.position).frames
        events = [StoredEvent.of(frame) for frame in frames]
        rest = [json.loads(e.data)["content"] for e in events if e.event == "delta"]
        assert text + "".join(rest) == "".join(words)


def test_an_unknown_dialect_is_an_error_of_the_format(ask: Ask, kind: GenerationKind) -> None:
    with pytest.raises(FieldError) as caught:
        kind.view(ask().channel, "xml", None)
    assert caught.value.field == "format"


def test_a_view_afresh_has_sent_nothing_and_one_that_returns_has(
    ask: Ask, kind: GenerationKind, attempts: Attempts, generations: Generations
) -> None:
    generation = ask()
    last = say(generations, generation, attempts.claim(generation.id).fence, "a")
    for position in (None, BEFORE_FIRST):
        assert kind.view(generation.channel, "text", position) == Text()
    assert kind.view(generation.channel, "text", last) == Text(sent=True)
    fresh = kind.view(generation.channel, "openai", None)
    assert fresh == OpenAI(generation.id, generation.created_ms // 1000, None)
    returned = kind.view(generation.channel, "openai", last)
    assert isinstance(returned, OpenAI)
    assert returned.opened == {0}


def test_who_returns_with_an_id_from_before_a_restart_has_lost_the_text(
    ask: Ask, kind: GenerationKind, attempts: Attempts, generations: Generations
) -> None:
    generation = ask()
    old = say(generations, generation, attempts.claim(generation.id).fence, "a")
    claim = attempts.claim(generation.id)
    restart = generations.history.state(generation.channel).last
    new = say(generations, generation, claim.fence, "b")
    lost = {
        position: kind.view(generation.channel, "text", position)
        for position in (old, restart, new)
    }
    assert lost == {
        old: Text(sent=True, lost=True),
        restart: Text(sent=True, lost=True),
        new: Text(sent=True),
    }
