"""Creating, listing, ending and deleting generations, with crashes between the steps."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from hub.errors import KeyReused, NotFound, RedisUnavailable, Refused
from hub.event import Event
from hub.settings import Settings
from hub.store.history import History, IdempotencyKey, RecordWrite
from hub.store.redis_link import RedisLink
from hub.store.script import ScriptCall
from tests.support.deadline import eventually
from tests.workers.conftest import ASKED, Ask, Attempts, claimed
from workers.queue import Queue
from workers.request import Request
from workers.store import Generations

KEY = IdempotencyKey.of("ann", "key", b"body")


class Crash(Exception):
    """The process ends here."""


def crash(*_: object, **__: object) -> None:
    raise Crash


def test_a_new_generation_waits_for_a_worker(ask: Ask, queue: Queue, settings: Settings) -> None:
    generation = ask()
    assert generation.status == "queued"
    assert claimed(queue).generation_id == generation.id


def test_the_record_lives_as_long_as_the_history(
    ask: Ask, generations: Generations, settings: Settings
) -> None:
    generation = ask()
    client = generations.history.link.client
    ttl = client.ttl(f"hub:{{{generation.channel}}}:record")
    assert settings.history_seconds - 5 <= ttl <= settings.history_seconds


def test_a_repeated_key_leads_to_the_first_generation(generations: Generations) -> None:
    first = generations.create(ASKED, key=KEY)
    again = generations.create(ASKED, key=KEY)
    assert (first.first, again.first) == (True, False)
    assert again.generation.id == first.generation.id
    assert len(generations.newest(10)) == 1
    with pytest.raises(KeyReused):
        generations.create(ASKED, key=IdempotencyKey.of("ann", "key", b"other body"))
    assert generations.create(ASKED, key=IdempotencyKey.of("bob", "key", b"body")).first


@pytest.mark.parametrize("step", ["link.run_in_turn", "history.append", "queue.enqueue"])
def test_a_repeated_key_completes_what_a_crash_cut_off(
    generations: Generations, queue: Queue, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    owner, name = step.split(".")
    link = generations.history.link
    with monkeypatch.context() as broken:
        broken.setattr(link, "run_in_turn", lambda _: None)
        broken.setattr(link if owner == "link" else getattr(generations, owner), name, crash)
        with pytest.raises(Crash):
            generations.create(ASKED, key=KEY)
    found = generations.create(ASKED, key=KEY)
    assert not found.first
    assert generations.get(found.generation.id).status == "queued"
    assert claimed(queue).generation_id == found.generation.id
    assert queue.claim() is None


def test_a_first_writing_whose_reply_was_lost_makes_one_generation_and_one_job(
    generations: Generations, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = generations.history.link
    carried_out = link.run_in_turn

    def lost(calls: Sequence[ScriptCall]) -> None:
        assert carried_out(calls) is not None

    monkeypatch.setattr(link, "run_in_turn", lost)
    created = generations.create(ASKED)
    assert created.first and created.generation.status == "queued"
    assert claimed(queue).generation_id == created.generation.id
    assert queue.claim() is None


def test_a_repeated_key_does_not_bring_back_what_was_deleted(
    generations: Generations, queue: Queue
) -> None:
    first = generations.create(ASKED, key=KEY).generation
    generations.delete(first.id, "ann")
    with pytest.raises(NotFound):
        generations.create(ASKED, key=KEY)
    assert queue.claim() is None


def test_the_sweep_enqueues_what_a_crash_left_without_a_job(
    generations: Generations, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(generations.history.link, "run_in_turn", lambda _: None)
        broken.setattr(queue, "enqueue", crash)
        with pytest.raises(Crash):
            generations.create(ASKED)
    assert queue.claim() is None
    assert generations.sweep() == 1
    assert claimed(queue).generation_id == generations.newest(1)[0].id
    assert generations.sweep() == 0


def test_the_sweep_brings_back_the_jobs_of_a_lost_stream(
    ask: Ask, generations: Generations, queue: Queue
) -> None:
    waiting, running, ended = ask(), ask(), ask()
    claimed(queue)
    generations.cancel(ended.id, "ann")
    generations.history.link.client.delete("hub:{jobs}:stream", "hub:{jobs}:entries")
    assert generations.sweep() == 2
    assert {claimed(queue).generation_id for _ in range(2)} == {waiting.id, running.id}
    assert queue.claim() is None


def test_the_sweep_forgets_what_never_got_a_record(
    real_history: History, queue: Queue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_700_000_000.0]
    generations = Generations(real_history, queue, settings, now=lambda: now[0])
    with monkeypatch.context() as broken:
        broken.setattr(generations.history.link, "run_in_turn", crash)
        with pytest.raises(Crash):
            generations.create(ASKED)
    client = generations.history.link.client
    assert generations.sweep() == 0
    assert client.zcard("hub:{generations}:open") == 1
    now[0] += 61
    assert generations.sweep() == 0
    assert client.zcard("hub:{generations}:open") == 0


def test_the_list_has_the_newest_first_and_leaves_out_what_is_gone(
    real_history: History, queue: Queue, settings: Settings
) -> None:
    now = [1_700_000_000.0]
    generations = Generations(real_history, queue, settings, now=lambda: now[0])
    ids = []
    for _ in range(6):
        now[0] += 1
        ids.append(generations.create(ASKED).generation.id)
    real_history.delete(f"generation:{ids[4]}")
    newest = [generation.id for generation in generations.newest(3)]
    assert newest == [ids[5], ids[3], ids[2]]
    assert [generation.id for generation in generations.newest(10)] == [*newest, ids[1], ids[0]]


def test_everybody_can_list_their_own(generations: Generations) -> None:
    for owner in ("ann", "bob", "ann", ""):
        generations.create(ASKED, owner=owner)
    assert [g.owner for g in generations.newest(10, "ann")] == ["ann", "ann"]
    assert len(generations.newest(10)) == 4
    assert generations.newest(10, "eve") == []


def test_a_queued_generation_is_cancelled_at_once(
    ask: Ask, generations: Generations, queue: Queue
) -> None:
    generation = ask()
    assert generations.cancel(generation.id, "ann").status == "cancelled"
    found = generations.get(generation.id)
    assert found.terminal is not None
    assert (found.status, found.terminal.data) == ("cancelled", {"by": "ann"})
    assert queue.claim() is None
    assert queue.counts().totals == {"ended:cancelled": 1}


def test_cancelling_again_or_after_the_end_changes_nothing(
    ask: Ask, generations: Generations
) -> None:
    generation = ask()
    first = generations.cancel(generation.id, "ann")
    state = generations.history.state(generation.channel)
    assert generations.cancel(generation.id, "bob") == generations.get(generation.id)
    assert generations.get(generation.id).terminal == first.terminal
    assert generations.history.state(generation.channel) == state


def test_cancelling_a_running_generation_keeps_its_text_and_fences_its_worker(
    ask: Ask, generations: Generations, attempts: Attempts
) -> None:
    generation = ask()
    claim = attempts.claim(generation.id)
    write = RecordWrite({"fence": claim.fence}, log='{"index":0,"content":"half"}\n')
    generations.history.append(generation.channel, [Event("x", "delta")], record=write)
    generations.cancel(generation.id, "ann")
    with pytest.raises(Refused):
        generations.history.append(generation.channel, [Event("x", "delta")], record=write)
    assert generations.read(generation.id).choices[0]["content"] == "half"


def test_of_many_who_end_a_generation_at_once_one_does(
    ask: Ask, generations: Generations, attempts: Attempts
) -> None:
    generation = ask()
    attempts.claim(generation.id)
    with ThreadPoolExecutor(8) as pool:
        ended = list(pool.map(lambda n: generations.cancel(generation.id, f"{n}"), range(16)))
    assert len({str(found.terminal) for found in ended}) == 1
    frames = generations.history.read(generation.channel, "0-0").frames
    assert len(frames) == 2
    assert generations.queue.counts().totals == {"ended:cancelled": 1}


def test_a_deleted_generation_is_unknown_its_text_gone_and_its_listeners_told(
    ask: Ask, generations: Generations, attempts: Attempts, queue: Queue
) -> None:
    generation = ask()
    attempts.claim(generation.id)
    generations.delete(generation.id, "ann")
    for call in (generations.get, generations.brief, generations.read):
        with pytest.raises(NotFound):
            call(generation.id)
    with pytest.raises(NotFound):
        generations.delete(generation.id, "ann")
    state = generations.history.state(generation.channel)
    assert (state.deletions, state.end) == (1, state.last)
    assert generations.newest(10) == []
    left = generations.history.link.client.keys(f"hub:{{{generation.channel}}}:*")
    assert not {key for key in left if key.endswith((b":record", b":log"))}


def test_an_end_whose_last_steps_were_lost_is_completed_by_the_sweep(
    ask: Ask, generations: Generations, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = ask()

    def away(*_: object) -> None:
        raise RedisUnavailable("away")

    with monkeypatch.context() as broken:
        broken.setattr(queue, "drop", away)
        broken.setattr(generations, "close", away)
        with pytest.raises(RedisUnavailable):
            generations.cancel(generation.id, "ann")
    assert generations.get(generation.id).status == "cancelled"
    queue.drop(generation.id, {})
    assert generations.sweep() == 0
    assert generations.history.link.client.zcard("hub:{generations}:open") == 0


def test_a_generation_of_another_time_is_expired(
    real_history: History, queue: Queue, settings: Settings
) -> None:
    short = replace(settings, history_seconds=1)
    generations = Generations(History(real_history.link, short), queue, short)
    generation = generations.create(ASKED).generation

    def gone() -> bool:
        try:
            generations.get(generation.id)
        except NotFound:
            return True
        return False

    eventually(gone, 5)
    assert generations.newest(10) == []


def test_what_its_creator_answers_gets_no_job_and_is_ended_by_its_silence(
    real_history: History, queue: Queue, settings: Settings, real_link: RedisLink
) -> None:
    generations = Generations(real_history, queue, replace(settings, lease_seconds=0.1))
    made = generations.create(Request([], producer=True)).generation
    # A crash before its producer was noted.
    real_link.client.delete(real_link.keys.key("generations", "heard"))
    assert generations.sweep() == 0
    assert queue.claim() is None
    assert generations.get(made.id).status == "running"

    assert eventually(lambda: generations.end_lost() == 1)
    ended = generations.get(made.id)
    assert ended.terminal is not None
    assert ended.terminal.data["code"] == "producer-lost"
    assert generations.end_lost() == 0
