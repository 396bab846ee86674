"""Deltas on their way to the channel: merged, numbered, fenced, and byte for byte the text."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import gevent
import pytest

from hub.errors import RedisUnavailable
from hub.fanout.sender import Sender
from hub.settings import Settings
from hub.store.frame import StoredEvent
from hub.store.history import History
from hub.store.producer import Producer
from hub.store.redis_link import RedisLink
from tests.conftest import StartValkey
from tests.support.deadline import eventually
from tests.support.valkey import Valkey
from tests.workers.conftest import ASKED, LEASE_SECONDS, Ask, Attempts
from workers.generation import Generation, Terminal
from workers.provider import Delta, ProviderFailure
from workers.queue import Queue
from workers.run import publisher as publisher_module
from workers.run.publisher import Publisher
from workers.store import MIN_EVENT_BYTES, Generations

END = Terminal.completed({0: "stop"}, None, None)


def settle(condition: Callable[[], object]) -> None:
    """Let the sender work until `condition` holds."""

    def look() -> object:
        gevent.sleep(0.001)
        return condition()

    eventually(look)


def events(generations: Generations, generation: Generation) -> list[tuple[str, Any]]:
    frames = generations.history.read(generation.channel, "0-0").frames
    found = [StoredEvent.of(frame) for frame in frames]
    return [(event.event, json.loads(event.data)) for event in found]


def deltas(generations: Generations, generation: Generation) -> list[dict[str, Any]]:
    """The delta events of the last attempt."""
    last: list[dict[str, Any]] = []
    for event, data in events(generations, generation):
        if event == "restarted":
            last = []
        elif event == "delta":
            last.append(data)
    return last


def text_of(found: list[dict[str, Any]], index: int = 0, kind: str = "content") -> str:
    return "".join(delta.get(kind, "") for delta in found if delta["index"] == index)


def recorded(generations: Generations, generation: Generation, index: int = 0) -> str:
    text: str = generations.read(generation.id).choices[index]["content"]
    return text


def test_the_first_delta_leaves_at_once(
    ask: Ask, attempts: Attempts, generations: Generations
) -> None:
    generation = ask()
    publisher = attempts.begin(generation.id)
    publisher.put(Delta(0, "content", "Hel"))
    settle(lambda: deltas(generations, generation) == [{"index": 0, "content": "Hel"}])


def test_what_gathers_while_an_append_is_under_way_leaves_as_one_event(
    ask: Ask, attempts: Attempts, generations: Generations
) -> None:
    generation = ask()
    publisher = attempts.begin(generation.id)
    for piece in "abcdef":
        publisher.put(Delta(0, "content", piece))
    publisher.finish(END)
    assert deltas(generations, generation) == [{"index": 0, "content": "abcdef"}]
    assert recorded(generations, generation) == "abcdef"


def test_only_adjacent_deltas_of_one_choice_and_kind_are_merged(
    ask: Ask, attempts: Attempts, generations: Generations
) -> None:
    generation = ask()
    publisher = attempts.begin(generation.id)
    for index, kind, text in (
        (0, "reasoning", "a"),
        (0, "reasoning", "b"),
        (0, "content", "c"),
        (1, "content", "d"),
        (0, "content", "e"),
        (0, "content", "f"),
    ):
        publisher.put(Delta(index, kind, text))  # type: ignore[arg-type]
    publisher.finish(END)
    assert deltas(generations, generation) == [
        {"index": 0, "reasoning": "ab"},
        {"index": 0, "content": "c"},
        {"index": 1, "content": "d"},
        {"index": 0, "content": "ef"},
    ]


def test_tool_calls_keep_their_pieces(
    ask: Ask, attempts: Attempts, generations: Generations
) -> None:
    generation = ask()
    publisher = attempts.begin(generation.id)
    first = {"index": 0, "id": "a", "type": "function", "function": {"name": "f"}}
    publisher.put(Delta(0, "tool_calls", [first]))
    publisher.put(Delta(0, "tool_calls", [{"index": 0, "function": {"arguments": "{}"}}]))
    publisher.finish(END)
    (choice,) = generations.read(generation.id).choices
    assert choice["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    ]


def test_pieces_of_a_call_that_gather_leave_as_one_piece_of_it(
    ask: Ask, attempts: Attempts, generations: Generations
) -> None:
    """Clients join the pieces of a call between events, and lose them within one."""
    generation = ask()
    publisher = attempts.begin(generation.id)
    for index, text in ((0, "{"), (1, "["), (0, "}"), (1, "]")):
        begun = {"id": str(index), "type": "function"} if text in "{[" else {}
        piece = {"index": index, **begun, "function": {"arguments": text}}
        publisher.put(Delta(0, "tool_calls", [piece]))
    publisher.finish(END)
    (delta,) = deltas(generations, generation)
    assert [(call["index"], call["function"]) for call in delta["tool_calls"]] == [
        (0, {"arguments": "{}"}),
        (1, {"arguments": "[]"}),
    ]


def test_what_is_carried_is_in_the_event_and_in_the_record(
    ask: Ask, attempts: Attempts, generations: Generations
) -> None:
    generation = ask()
    publisher = attempts.begin(generation.id)
    picture = "data:image/png;base64," + "A" * 2_000_000
    publisher.put(Delta(0, "content", "a", None, {("completion", "service_tier"): "flex"}))
    publisher.put(Delta(0, "content", "b"))
    publisher.put(Delta(0, "carried", "", None, {("delta", "images"): [{"url": picture}]}))
    publisher.finish(END)
    assert deltas(generations, generation) == [
        {"index": 0, "content": "a", "service_tier": "flex"},
        {"index": 0, "content": "b"},
        {"index": 0, "images": [{"url": picture}]},
    ]
    answer = generations.read(generation.id)
    assert answer.choices[0]["images"] == [{"url": picture}]
    assert answer.beside == {"service_tier": "flex"}


def test_deltas_with_logprobs_stay_apart(
    ask: Ask, attempts: Attempts, generations: Generations
) -> None:
    generation = ask()
    publisher = attempts.begin(generation.id)
    publisher.put(Delta(0, "content", "a", {"content": [{"token": "a"}]}))
    publisher.put(Delta(0, "content", "b", {"content": [{"token": "b"}]}))
    publisher.put(Delta(0, "content", "c"))
    publisher.finish(END)
    assert [len(delta) for delta in deltas(generations, generation)] == [3, 3, 2]


@pytest.mark.parametrize("seed", range(8))
def test_the_text_is_what_was_put_whatever_its_characters_and_pieces(
    ask: Ask, attempts: Attempts, generations: Generations, seed: int
) -> None:
    random = Random(seed)
    generation = ask()
    publisher = attempts.begin(generation.id, max_event_bytes=400)
    alphabet = ["a", " ", "\n", "\r\n", '"', "\\", "é", "漢", "🙂", "\x00", "\u2028"]
    text = "".join(random.choices(alphabet, k=3000))
    rest = text
    while rest:
        size = random.choice((1, 2, 7, 200, 900))
        publisher.put(Delta(0, "content", rest[:size]))
        rest = rest[size:]
        if random.random() < 0.3:
            gevent.sleep(0)
    publisher.finish(END)
    found = deltas(generations, generation)
    assert text_of(found) == recorded(generations, generation) == text
    frames = generations.history.read(generation.channel, "0-0").frames
    assert all(len(StoredEvent.of(frame).data.encode()) <= 400 for frame in frames)


def test_long_arguments_of_a_tool_call_are_cut_and_add_up_to_the_same(
    ask: Ask, attempts: Attempts, generations: Generations
) -> None:
    generation = ask()
    publisher = attempts.begin(generation.id, max_event_bytes=1000)
    arguments = json.dumps({"text": "漢" * 2000})
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": arguments}}
    publisher.put(Delta(0, "tool_calls", [call]))
    publisher.finish(END)
    assert len(deltas(generations, generation)) > 10
    (made,) = generations.read(generation.id).choices[0]["tool_calls"]
    assert (made["id"], made["function"]) == ("a", {"name": "f", "arguments": arguments})


def test_the_end_is_in_the_channel_and_in_the_record_in_one_step(
    ask: Ask, attempts: Attempts, generations: Generations
) -> None:
    generation = ask()
    publisher = attempts.begin(generation.id)
    publisher.model("m-1")
    publisher.put(Delta(0, "content", "a"))
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    assert publisher.finish(Terminal.completed({0: "stop"}, usage, 0.25))
    found = generations.get(generation.id)
    assert (found.status, found.model) == ("completed", "m-1")
    assert found.finished_ms is not None
    page = generations.history.read(generation.channel, "0-0")
    before, last = page.frames[-2:]
    assert (page.state.end, page.state.before_end) == (last.id, before.id)
    assert events(generations, generation)[-1] == (
        "completed",
        {"choices": [{"index": 0, "finish_reason": "stop"}], "usage": usage, "cost": 0.25},
    )


@pytest.mark.parametrize("seed", range(10))
def test_a_writer_that_was_taken_over_never_writes_into_the_new_run(
    ask: Ask, attempts: Attempts, generations: Generations, seed: int
) -> None:
    """Three attempts whose workers do not know that they are over, writing on in every order."""
    random = Random(seed)
    generation = ask()
    alive: list[tuple[int, Publisher]] = []
    said: dict[int, str] = {}
    for number in range(3):
        alive.append((number, attempts.begin(generation.id)))
        said[number] = ""
        for step in range(random.randrange(5, 25)):
            writer, publisher = random.choice(alive)
            word = f"{writer}.{step} "
            if publisher.put(Delta(0, "content", word)):
                said[writer] += word
            if random.random() < 0.5:
                gevent.sleep(random.choice((0, 0, 0.002)))
    for _, publisher in alive[:-1]:
        assert not publisher.finish(END)
        assert publisher.fenced
    assert alive[-1][1].finish(END)
    assert text_of(deltas(generations, generation)) == said[2]
    assert recorded(generations, generation) == said[2]
    assert [event for event, _ in events(generations, generation)].count("completed") == 1


def test_after_a_cancel_nothing_is_stored_and_the_run_is_told(
    ask: Ask, attempts: Attempts, generations: Generations
) -> None:
    generation = ask()
    publisher = attempts.begin(generation.id)
    publisher.put(Delta(0, "content", "before"))
    settle(lambda: publisher.first_delta_at)
    generations.cancel(generation.id, "ann")
    publisher.put(Delta(0, "content", "after"))
    settle(lambda: attempts.over)
    assert not publisher.put(Delta(0, "content", "more"))
    assert not publisher.finish(END)
    assert recorded(generations, generation) == "before"


def test_after_a_delete_nothing_is_stored(
    ask: Ask, attempts: Attempts, generations: Generations
) -> None:
    generation = ask()
    publisher = attempts.begin(generation.id)
    generations.delete(generation.id, "ann")
    publisher.put(Delta(0, "content", "after"))
    assert not publisher.finish(END)
    assert generations.history.record(generation.channel).fields == {}


def test_after_a_flush_the_run_ends_without_a_word(
    ask: Ask, attempts: Attempts, generations: Generations, valkey: Valkey
) -> None:
    generation = ask()
    publisher = attempts.begin(generation.id)
    with valkey.client() as client:
        client.flushall()
    publisher.put(Delta(0, "content", "after"))
    assert not publisher.finish(END)
    with valkey.client() as client:
        assert client.keys("*generation:*") == []


def test_a_batch_that_is_sent_again_is_stored_once_though_redis_knows_no_producer(
    ask: Ask, attempts: Attempts, generations: Generations, real_link: RedisLink, sender: Sender
) -> None:
    generation = ask()
    publisher = attempts.begin(generation.id)
    pipe_run = sender._lane(publisher.channel)._pipe.run
    sent = 0

    def run_and_lose_the_reply(calls: Any) -> Any:
        nonlocal sent
        sent += 1
        replies = pipe_run(calls)
        if sent % 2:
            raise RedisUnavailable("the reply did not come")
        return replies

    lane = sender._lane(publisher.channel)
    lane._pipe.run = run_and_lose_the_reply  # type: ignore[method-assign, assignment]
    for piece in "abcdef":
        publisher.put(Delta(0, "content", piece))
        gevent.sleep(0.005)
    assert publisher.finish(END)
    assert sent > 2
    newest = real_link.client.keys(
        generations.history.link.keys.key(publisher.channel, "producers:*")
    )
    assert all(real_link.client.hlen(key) == 1 for key in newest)  # the claim's alone
    assert text_of(deltas(generations, generation)) == "abcdef"
    assert recorded(generations, generation) == "abcdef"


@pytest.fixture
def own(start_valkey: StartValkey, settings: Settings) -> Iterator[tuple[Valkey, Attempts]]:
    """A Valkey that the test may harm, and attempts on it."""
    server = start_valkey(tcp=True, options=["--appendonly", "yes", "--appendfsync", "always"])
    link = RedisLink.from_url(server.url)
    history = History(link, settings)
    queue = Queue(link, LEASE_SECONDS, "worker", block_seconds=0.02)
    sender = Sender(history)
    yield server, Attempts(Generations(history, queue, settings), sender, settings)
    sender.stop()
    link.close()


def test_while_redis_is_away_the_model_is_read_on_and_all_is_written_when_it_returns(
    own: tuple[Valkey, Attempts],
) -> None:
    server, attempts = own
    generation = attempts.generations.create(ASKED).generation
    publisher = attempts.begin(generation.id)
    publisher.put(Delta(0, "content", "before "))
    settle(lambda: publisher.first_delta_at)
    server.kill()
    words = [f"word{number} " for number in range(200)]
    for word in words:
        assert publisher.put(Delta(0, "content", word))
        gevent.sleep(0.0005)
    server.start()
    assert publisher.finish(END)
    assert recorded(attempts.generations, generation) == "before " + "".join(words)
    assert text_of(deltas(attempts.generations, generation)) == "before " + "".join(words)


def test_what_is_held_while_redis_is_away_is_bounded_and_then_the_run_is_told(
    own: tuple[Valkey, Attempts], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, attempts = own
    monkeypatch.setattr(publisher_module, "HELD_CHARS", 1000)
    monkeypatch.setattr(publisher_module, "FULL_SECONDS", 0.05)
    generation = attempts.generations.create(ASKED).generation
    publisher = attempts.begin(generation.id)
    server.kill()
    taken = 0
    while publisher.put(Delta(0, "content", "x" * 100)):
        taken += 100
        assert taken <= 1000
    server.start()
    failed = Terminal.failed("redis-unavailable", "…", retryable=True)
    assert publisher.finish(failed)
    assert attempts.generations.get(generation.id).terminal == failed
    assert recorded(attempts.generations, generation) == "x" * (taken + 100)


def test_a_missing_script_is_loaded_and_nothing_is_lost(
    ask: Ask, attempts: Attempts, generations: Generations, real_link: RedisLink
) -> None:
    generation = ask()
    publisher = attempts.begin(generation.id)
    for piece in "abc":
        real_link.client.script_flush()
        publisher.put(Delta(0, "content", piece))
        gevent.sleep(0.01)
    assert publisher.finish(END)
    assert recorded(generations, generation) == "abc"


def failed(generations: Generations, generation: Generation) -> tuple[Any, int]:
    """How it failed, and at which attempt."""
    found = generations.get(generation.id)
    assert found.status == "failed" and found.terminal is not None
    history = generations.history
    (last,) = history.read(found.channel, history.state(found.channel).before_end).frames
    said = StoredEvent.of(last)
    assert (said.event, json.loads(said.data)) == ("failed", dict(found.terminal.data))
    return found.terminal.data["code"], found.attempt


@pytest.mark.parametrize(
    "logprobs",
    [
        {"content": [{"token": "x" * (MIN_EVENT_BYTES + 1)}]},
        {"content": [{"token": "\ud83d"}]},
        {"content": {1}},
    ],
    ids=["too large for an event", "half a character", "no JSON"],
)
def test_what_cannot_be_written_ends_its_own_generation_in_words_and_no_other(
    ask: Ask, attempts: Attempts, generations: Generations, logprobs: Any
) -> None:
    poisoned, healthy = ask(), ask()
    publishers = [attempts.begin(poisoned.id), attempts.begin(healthy.id)]
    for publisher in publishers:
        assert publisher.put(Delta(0, "content", "before "))
    settle(lambda: all(publisher.first_delta_at for publisher in publishers))
    publishers[0].put(Delta(0, "content", "x", logprobs))
    publishers[1].put(Delta(0, "content", "after"))
    assert publishers[1].finish(END)
    assert recorded(generations, healthy) == "before after"
    settle(lambda: attempts.over)
    assert not publishers[0].put(Delta(0, "content", "more"))
    assert publishers[0].finish(END), "its end is stored, though another one than was meant"
    assert failed(generations, poisoned) == ("provider-malformed", 1)
    assert recorded(generations, poisoned) == "before "


@pytest.mark.parametrize(
    "delta",
    [
        Delta(0, "content", "é" * 600),
        Delta(0, "tool_calls", [{"index": 0, "function": {"arguments": "x" * 1100}}]),
        Delta(0, "content", "x", {"content": [{"token": "x" * 1100}]}),
        Delta(0, "content", "x", None, {("delta", "boxes"): [[]] * 400}),
        Delta(0, "content", "x", None, {("delta", "boxes"): {str(n): {} for n in range(200)}}),
    ],
)
def test_an_answer_that_is_too_large_ends_in_words_and_what_came_before_stays(
    ask: Ask, attempts: Attempts, generations: Generations, delta: Delta
) -> None:
    generation = ask()
    publisher = attempts.begin(generation.id, max_answer_bytes=1100)
    assert publisher.put(Delta(0, "content", "before"))
    with pytest.raises(ProviderFailure) as caught:
        publisher.put(delta)
    assert (caught.value.code, caught.value.retryable) == ("answer-too-large", False)
    publisher.finish(END)
    assert recorded(generations, generation) == "before"


def test_what_redis_refuses_for_good_ends_its_own_generation_in_words_and_delays_no_other(
    own: tuple[Valkey, Attempts],
) -> None:
    server, attempts = own
    with server.client() as client:
        client.config_set("proto-max-bulk-len", 1 << 20)
    generations = attempts.generations
    large, small = (generations.create(ASKED).generation for _ in range(2))
    talker, quiet = attempts.begin(large.id), attempts.begin(small.id)
    slowest = 0.0
    while talker.put(Delta(0, "content", "x" * 16_000)):
        began = time.monotonic()
        quiet.put(Delta(0, "content", "y"))
        settle(lambda: not quiet._pieces.held)
        slowest = max(slowest, time.monotonic() - began)
    assert talker.finish(END)
    assert failed(generations, large) == ("redis-refused", 1)
    assert quiet.finish(END)
    assert generations.get(small.id).status == "completed"
    assert len(recorded(generations, large)) > 500_000, "what was stored before stays"
    assert slowest < 2


def test_a_publisher_that_can_neither_go_on_nor_end_is_let_go_and_delays_no_other(
    ask: Ask, attempts: Attempts, generations: Generations, sender: Sender
) -> None:
    class Hopeless:
        channel = "generation:x"

        def __init__(self, breaks_in: str) -> None:
            self.breaks_in = breaks_in
            self.told: list[Exception] = []

        def call(self) -> Any:
            if self.breaks_in == "call":
                raise ZeroDivisionError
            if self.breaks_in == "packing":
                return ["\ud83d"], []
            return generations.history.append_call(
                self.channel, [], producer=Producer(self.breaks_in, 1, 0)
            )

        def settle(self, reply: Any) -> bool:
            raise ZeroDivisionError

        def broken(self, error: Exception) -> bool:
            self.told.append(error)
            raise RuntimeError

    healthy = attempts.begin((generation := ask()).id)
    hopeless = [Hopeless(step) for step in ("call", "packing", "settle")]
    for each in hopeless:
        sender.ready(each)
    healthy.put(Delta(0, "content", "whole"))
    assert healthy.finish(END)
    assert recorded(generations, generation) == "whole"
    assert [type(error) for each in hopeless for error in each.told] == [
        ZeroDivisionError,
        UnicodeEncodeError,
        ZeroDivisionError,
    ]
