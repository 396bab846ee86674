"""History and its scripts, on fakeredis and on a real server."""

from __future__ import annotations

import time
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from hub.channel import BEFORE_FIRST, order
from hub.errors import KeyReused, Refused, TooLarge
from hub.event import Event
from hub.settings import Settings
from hub.store.announcement import DeletionNotice, parse_announcement
from hub.store.chunk import Chunk
from hub.store.follow import continues, found
from hub.store.frame import StoredEvent
from hub.store.history import APPEND, History, IdempotencyKey, RecordWrite
from hub.store.keys import Keys
from hub.store.pipe import Pipe
from hub.store.producer import Producer
from hub.store.redis_link import RedisLink
from tests.support.deadline import eventually

CHANNEL = "news"


def append(history: History, *texts: str) -> list[str]:
    return history.append(CHANNEL, [Event(text) for text in texts]).ids


def texts(history: History, position: str = BEFORE_FIRST) -> list[str]:
    return [StoredEvent.of(frame).data for frame in history.read(CHANNEL, position).frames]


def keeping(link: RedisLink, **limits: Any) -> History:
    return History(link, replace(Settings(), **limits))


def test_each_event_names_the_one_before_it(history: History) -> None:
    ids = append(history, "a") + append(history, "b", "c") + append(history, "d")
    frames = history.read(CHANNEL, BEFORE_FIRST).frames
    assert [frame.id for frame in frames] == ids
    assert [frame.prev for frame in frames] == [BEFORE_FIRST, *ids[:-1]]
    assert [frame.n for frame in frames] == [1, 2, 3, 4]


def test_a_plain_call_is_the_same_on_the_wire_as_one_that_is_packed_part_by_part(
    real_history: History, real_link: RedisLink
) -> None:
    pipe = Pipe(real_link, APPEND, lambda: None)
    events = [Event("a"), Event("ü\r\nb", "notice", 5), Event(""), Event("x" * 300_000)]
    for channel in ("news", "sport"):
        for number, started in enumerate((1000.0, 1001.0, 1300.0), 1):
            by = Producer("p", number, started, "mark")
            for event in events[:3]:
                packed = pipe.pack(real_history.plain_call(channel, event, by))
                assert packed == pipe.pack(real_history.append_call(channel, [event], producer=by))
    with pytest.raises(TooLarge):
        real_history.plain_call("news", events[3], by)


def test_what_is_announced_is_what_is_stored(real_history: History, real_link: RedisLink) -> None:
    listening = real_link.client.pubsub()
    listening.subscribe(Keys().pubsub(CHANNEL))
    assert listening.get_message(timeout=5)["type"] == "subscribe"
    ids = append(real_history, "a", "b")
    real_history.delete(CHANNEL)
    news = parse_announcement(listening.get_message(timeout=5)["data"])
    gone = parse_announcement(listening.get_message(timeout=5)["data"])
    listening.close()
    assert isinstance(news, Chunk)
    assert (news.prev, news.last, news.count, news.n) == (BEFORE_FIRST, ids[1], 2, 2)
    assert news.data == b"".join(
        b"id: %s\ndata: %s\n\n" % (i.encode(), d) for i, d in zip(ids, (b"a", b"b"), strict=True)
    )
    assert abs(news.published_us / 1e6 - time.time()) < 5
    assert gone == DeletionNotice(ids[1], 1)


def test_ids_only_grow_whatever_happens_to_the_channel(history: History, link: RedisLink) -> None:
    ids = append(history, "a", "b")
    history.delete(CHANNEL)
    ids += append(history, "c")
    ids += [append(history, str(n))[0] for n in range(50)]
    places = [order(event_id) or (0, 0) for event_id in ids]
    assert places == sorted(set(places))


def test_ids_do_not_go_back_with_the_clock(history: History, link: RedisLink) -> None:
    ahead = int(time.time() * 1000) + 3_600_000
    link.client.hset(f"hub:{{{CHANNEL}}}:state", mapping={"last": f"{ahead}-7", "n": 1, "b": 1})
    assert append(history, "a", "b") == [f"{ahead}-8", f"{ahead}-9"]


def test_a_batch_that_is_sent_again_is_stored_once(history: History) -> None:
    producer = Producer("p", 1, time.time())
    first = history.append(CHANNEL, [Event("a"), Event("b")], producer=producer)
    again = history.append(CHANNEL, [Event("a"), Event("b")], producer=producer)
    assert again.ids == first.ids
    assert texts(history) == ["a", "b"]


def test_an_older_batch_that_arrives_late_is_refused(history: History) -> None:
    now = time.time()
    for batch in (1, 2):
        history.append(CHANNEL, [Event(str(batch))], producer=Producer("p", batch, now))
    with pytest.raises(Refused):
        history.append(CHANNEL, [Event("1")], producer=Producer("p", 1, now))
    assert texts(history) == ["1", "2"]


def test_without_a_producer_the_record_tells_a_repetition_which_writes_for_a_wait_to_wait_for(
    history: History, link: RedisLink
) -> None:
    keys, args = history.append_call(
        CHANNEL,
        [Event("once")],
        record=RecordWrite({"fence": "f", "batch": ""}, {"batch": "1"}),
    )
    history.append(CHANNEL, [], record=RecordWrite({}, {"fence": "f"}))
    history.appended(CHANNEL, link.run(APPEND, keys, args))
    state = Keys().key(CHANNEL, "state")
    link.client.expire(state, 5)
    with pytest.raises(Refused) as refused:
        history.appended(CHANNEL, link.run(APPEND, keys, args))
    assert refused.value.found == {"batch": "1"}
    assert link.client.ttl(state) > 5
    assert texts(history) == ["once"]


def test_producers_do_not_meet(history: History) -> None:
    for name in "ab":
        history.append(CHANNEL, [Event(name)], producer=Producer(name, 1, time.time()))
    assert texts(history) == ["a", "b"]


def test_an_idempotency_key_is_a_subject_s_own(history: History) -> None:
    for subject in ("alice", "bob"):
        key = IdempotencyKey.of(subject, "k", b"body")
        assert not history.append(CHANNEL, [Event(subject)], key=key).answered
        assert history.append(CHANNEL, [Event(subject)], key=key).answered
    with pytest.raises(KeyReused):
        other = IdempotencyKey.of("alice", "k", b"another body")
        history.append(CHANNEL, [Event("x")], key=other)
    assert texts(history) == ["alice", "bob"]


def test_an_append_that_finds_another_record_than_expected_changes_nothing(
    history: History,
) -> None:
    first = RecordWrite(expect={"attempt": ""}, fields={"attempt": "1"}, log="Hel")
    history.append(CHANNEL, [Event("a")], record=first)
    stale = RecordWrite(expect={"attempt": "", "status": ""}, fields={"attempt": "9"}, log="!")
    with pytest.raises(Refused) as refused:
        history.append(CHANNEL, [Event("b")], record=stale)
    assert refused.value.found == {"attempt": "1"}
    following = RecordWrite(expect={"attempt": "1"}, log="lo")
    history.append(CHANNEL, [Event("c")], record=following)
    found = history.record(CHANNEL, log_bytes=100)
    assert (found.fields, found.log, found.log_bytes) == ({"attempt": "1"}, b"Hello", 5)
    part = history.record(CHANNEL, "attempt", "nothing", log_from=3, log_bytes=1)
    assert (part.fields, part.log, part.log_bytes) == ({"attempt": "1"}, b"l", 5)
    assert texts(history) == ["a", "c"]


def test_nothing_is_appended_behind_the_end(history: History) -> None:
    append(history, "a")
    end = history.append(CHANNEL, [Event("b"), Event("end")], ends=True).ids
    with pytest.raises(Refused):
        append(history, "late")
    state = history.state(CHANNEL)
    assert (state.end, state.before_end) == (end[1], end[0])
    assert texts(history) == ["a", "b", "end"]


def test_too_much_data_is_refused_before_it_is_sent(link: RedisLink) -> None:
    history = keeping(link, max_event_bytes=4)
    append(history, "four", "éé")
    for text in ("fives", "ééé"):
        with pytest.raises(TooLarge):
            append(history, "a", text)
    assert texts(history) == ["four", "éé"]


@pytest.mark.parametrize("seed", range(5))
def test_what_is_kept_is_the_newest_within_both_limits(link: RedisLink, seed: int) -> None:
    random = Random(seed)
    history = keeping(link, history_events=random.choice([2, 7, 40]), history_bytes=3000)
    sizes: list[int] = []
    for _ in range(40):
        batch = ["x" * random.choice([1, 100, 900]) for _ in range(random.choice([1, 1, 5]))]
        append(history, *batch)
        frames = history.read(CHANNEL, BEFORE_FIRST).frames
        sizes += [len(text) for text in batch]
        kept = [len(StoredEvent.of(frame).data) for frame in frames]
        assert kept == sizes[-len(kept) :]
        limit = history._settings.history_events
        assert sum(len(frame.data) for frame in frames) <= 3000
        more = len(kept) < min(limit, len(sizes))
        assert len(kept) <= limit
        if more:  # the next older one would not have fitted
            assert sum(len(f.data) for f in frames) + sizes[-len(kept) - 1] + 40 > 3000


def test_an_event_bigger_than_all_that_is_kept_stays_until_the_next(link: RedisLink) -> None:
    history = keeping(link, history_bytes=1024)
    append(history, "a", "x" * 5000)
    assert [len(text) for text in texts(history)] == [5000]
    append(history, "b")
    assert texts(history) == ["b"]


def test_every_kind_of_loss_has_its_name(link: RedisLink) -> None:
    history = keeping(link, history_events=3)
    ids = append(history, *"abcde")

    def loss(position: str) -> str | None:
        return found(history.read(CHANNEL, position)).lost

    assert loss(ids[0]) == loss(BEFORE_FIRST) == "trimmed"
    assert loss(ids[1]) is loss(ids[4]) is None
    assert loss("99999999999999-0") == loss("nonsense") == "unknown-id"
    history.delete(CHANNEL)
    assert loss(ids[0]) == loss(ids[3]) == loss(BEFORE_FIRST) == "deleted"
    assert loss(ids[4]) is None
    later = append(history, "f")[0]
    assert loss(ids[3]) == "deleted"
    assert loss(ids[4]) is loss(later) is None


def test_what_is_too_old_is_expired_and_its_last_id_is_not(real_link: RedisLink) -> None:
    history = keeping(real_link, history_seconds=1)
    ids = append(history, "a", "b")
    eventually(lambda: not history.read(CHANNEL, BEFORE_FIRST).frames, 3)
    assert found(history.read(CHANNEL, ids[0])).lost == "expired"
    assert found(history.read(CHANNEL, ids[1])).lost is None
    later = append(history, "c")[0]
    assert found(history.read(CHANNEL, ids[0])).lost == "expired"
    assert found(history.read(CHANNEL, ids[1])).lost is None
    assert found(history.read(CHANNEL, later)).lost is None
    assert history.inspect(CHANNEL).oldest == later


def test_expiring_leaves_what_is_young_enough(real_link: RedisLink) -> None:
    history = keeping(real_link, history_seconds=2)
    old = append(history, "old")[0]
    eventually(lambda: time.time() * 1000 > int(old.split("-")[0]) + 1500)
    young = append(history, "young")[0]
    eventually(lambda: history.inspect(CHANNEL).oldest == young, 3)
    assert found(history.read(CHANNEL, BEFORE_FIRST)).lost == "expired"
    assert found(history.read(CHANNEL, old)).lost is None


@pytest.mark.parametrize("limit", [1, 2, 16, 17, 1000])
def test_pages_follow_each_other_without_a_hole(history: History, limit: int) -> None:
    ids = append(history, *(str(n) for n in range(40)))
    position, had = BEFORE_FIRST, []
    while True:
        page = history.read(CHANNEL, position, limit=limit)
        assert continues(page)
        assert len(page.frames) <= limit
        if not page.frames:
            break
        had += [frame.id for frame in page.frames]
        position = had[-1]
    assert had == ids


def test_a_page_is_bounded_in_bytes_but_never_empty(history: History) -> None:
    append(history, *("x" * 1000 for _ in range(10)))
    page = history.read(CHANNEL, BEFORE_FIRST, limit_bytes=2500)
    assert len(page.frames) == 3
    assert len(history.read(CHANNEL, BEFORE_FIRST, limit_bytes=1).frames) == 1


@pytest.mark.parametrize("own", ["mine", "7", "123-4", "9999999999999-0"])
def test_an_id_of_the_publisher_s_own_goes_on_the_wire_and_resolves(
    history: History, own: str
) -> None:
    history.append(CHANNEL, [Event("a", wire_id=own)])
    later = append(history, "b")
    page = history.read(CHANNEL, own)
    assert found(page).lost is None
    assert [frame.id for frame in page.frames] == later
    assert history.read(CHANNEL, BEFORE_FIRST).frames[0].data == f"id: {own}\ndata: a\n\n".encode()


def test_the_state_outlives_what_it_tells_of(link: RedisLink) -> None:
    history = keeping(link, history_seconds=100, channel_seconds=1000)
    append(history, "a")
    seconds = link.client.ttl(f"hub:{{{CHANNEL}}}:state")
    assert 1000 <= seconds <= 1000 + 100 / 60
    assert 100 <= link.client.ttl(f"hub:{{{CHANNEL}}}:events") <= 100 + 100 / 60
    link.client.expire(f"hub:{{{CHANNEL}}}:state", 5)
    history.read(CHANNEL, BEFORE_FIRST)  # somebody listens
    assert link.client.ttl(f"hub:{{{CHANNEL}}}:state") > 900


def test_a_channel_that_nobody_published_on_leaves_no_keys(
    history: History, link: RedisLink
) -> None:
    history.read(CHANNEL, BEFORE_FIRST)
    history.inspect(CHANNEL)
    history.present("p", {CHANNEL: 0}, 1000)
    assert link.client.keys("*") == []


def test_presence_counts_the_others_and_forgets_the_silent(history: History) -> None:
    assert history.present("a", {CHANNEL: 2}, 60_000)[0][0] == 0
    assert history.present("b", {CHANNEL: 3}, 60_000)[0][0] == 2
    assert history.present("a", {CHANNEL: 2}, 60_000)[0][0] == 3
    assert history.present("b", {CHANNEL: 0}, 60_000)[0][0] == 2
    assert history.present("a", {CHANNEL: 2}, 60_000)[0][0] == 0
    history.present("dead", {CHANNEL: 9}, 1)
    eventually(lambda: history.present("a", {CHANNEL: 2}, 60_000)[0][0] == 0, 2)


def test_the_scripts_are_loaded_again_where_redis_has_lost_them(
    history: History, link: RedisLink
) -> None:
    append(history, "a")
    link.client.script_flush()
    append(history, "b")
    assert texts(history) == ["a", "b"]
