"""The main job: one model answers, and everybody who watches sees the same words."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from random import Random

import pytest

from tests.e2e.tab import Tab, opened
from tests.support.deadline import deadline, eventually
from tests.support.provider import Gate, Script, ScriptedProvider, deltas_of, text_for
from tests.support.stack import LocalModel, Stack
from tests.support.stream import EventStream

LISTENERS = 200


def watch(tabs: list[Tab], until: Callable[[], object], within_seconds: float) -> None:
    """Serve all tabs from one thread until the condition holds."""
    give_up = deadline(within_seconds)
    poll = select.epoll()
    by_number = {}
    for tab in tabs:
        if not tab.done:
            poll.register(tab.fileno(), select.EPOLLIN)
            by_number[tab.fileno()] = tab
    while not until():
        assert time.monotonic() < give_up, [tab.name for tab in tabs if not tab.done][:10]
        for number, _ in poll.poll(0.05):
            tab = by_number.pop(number)
            poll.unregister(number)
            tab.read()
            if not tab.done:
                poll.register(tab.fileno(), select.EPOLLIN)
                by_number[tab.fileno()] = tab


def longer_than(reached: int, tabs: list[Tab]) -> Callable[[], bool]:
    return lambda: max(len(tab.text) for tab in tabs) > reached


def test_two_hundred_listeners_from_before_during_and_after_end_with_the_identical_text(
    stack: Callable[..., Stack], provider: ScriptedProvider
) -> None:
    random = Random(7)
    text = text_for("The sea", 400)
    gate = Gate()
    provider.default = Script(text, deltas=deltas_of(text, 5), gate=gate)
    hub = stack(webs=2, env={"HUB_HEARTBEAT_SECONDS": "1"})
    generation = hub.generate("The sea")
    path = f"/generations/{generation}/events"

    def some(count: int, when: str) -> list[Tab]:
        return [opened(random.choice(hub.webs).url + path, when, random) for _ in range(count)]

    tabs = some(LISTENERS // 2, "before")
    for _ in range(10):
        reached = max(len(tab.text) for tab in tabs)
        gate.release(len(text) // 5 // 12)
        tabs += some(LISTENERS // 20, "during")
        watch(tabs, longer_than(reached, tabs), 20)
    gate.open()
    watch(tabs, lambda: all(tab.done for tab in tabs), 60)
    after = some(LISTENERS // 10, "after")
    watch(after, lambda: all(tab.done for tab in after), 20)

    record = hub.finished(generation)
    assert record["status"] == "completed"
    assert record["choices"][0]["content"] == text
    for tab in tabs + after:
        tab.close()
        assert not tab.wrong, (tab.name, tab.wrong[:5])
        assert tab.text == text, tab.name
    eventually(lambda: hub.generation(generation)["listeners"] == 0, 5)


@pytest.mark.model
def test_a_prompt_gives_real_text_of_the_local_model_to_all_tabs(
    stack: Callable[..., Stack], local_model: LocalModel
) -> None:
    hub = stack(provider=local_model.base_url)
    generation = hub.generate("Name three animals.", max_tokens=60)
    tabs = [Tab(f"{hub.url}/generations/{generation}/events", f"tab {n}") for n in range(5)]
    watch(tabs, lambda: len(tabs[0].text) > 20, 60)
    tabs.append(Tab(f"{hub.url}/generations/{generation}/events", "late"))
    watch(tabs, lambda: all(tab.done for tab in tabs), 60)

    record = hub.finished(generation)
    assert record["status"] == "completed"
    assert record["usage"]["completion_tokens"] > 5
    assert len(record["choices"][0]["content"]) > 20
    for tab in tabs:
        tab.close()
        assert not tab.wrong
        assert tab.text == record["choices"][0]["content"]


def test_a_generation_is_asked_and_streamed_in_one_request(
    stack: Callable[..., Stack], listen: Callable[..., EventStream]
) -> None:
    hub = stack()
    stream = listen(f"{hub.url}/generations", body={"prompt": "A question"})
    assert stream.headers["location"].startswith("/generations/")
    types = [event.event for event in stream.to_end()]
    assert types[:2] == ["subscribed", "started"]
    assert types[-1] == "completed"
