"""Contract §7, "Limits": each at its edge, over every face and every process."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fakeredis
import pytest
import requests

from hub.access.limits import Limits
from hub.errors import TooMany
from hub.settings import Settings
from hub.store.redis_link import RedisLink
from tests.access.signing import SECRET, token
from tests.contract.conftest import Hubs
from tests.support.stack import Web

pytestmark = pytest.mark.sets_keys

WAY = "taken over"
CHAT = {"model": "m", "messages": [{"role": "user", "content": "?"}], "stream": True}


def shown(sub: str) -> dict[str, str]:
    claim = {"generate": True, "publish": ["*"], "subscribe": ["*"]}
    return {"Authorization": f"Bearer {token(sub=sub, hub=claim)}"}


@pytest.fixture
def three_a_minute(hubs: Hubs) -> Web:
    return hubs(
        WAY,
        "three a minute",
        HUB_JWT_SECRET=SECRET,
        HUB_GENERATIONS_PER_MINUTE="3",
        HUB_RUNNING_GENERATIONS="0",
        WEB_CONCURRENCY="2",
    )


@pytest.fixture
def two_at_once(hubs: Hubs) -> Web:
    return hubs(
        WAY,
        "two at once",
        HUB_JWT_SECRET=SECRET,
        HUB_GENERATIONS_PER_MINUTE="0",
        HUB_RUNNING_GENERATIONS="2",
        HUB_PUBLISHES_PER_SECOND="5",
        WEB_CONCURRENCY="2",
    )


def ask(hub: Web, sub: str, **headers: str) -> requests.Response:
    return hub.post("/generations", json={"prompt": "?"}, headers={**shown(sub), **headers})


def check_refusal(answer: requests.Response, limit: int, window_seconds: int) -> None:
    assert answer.status_code == 429
    wait = int(answer.headers["Retry-After"])
    assert 1 <= wait <= window_seconds
    assert answer.headers["RateLimit-Limit"] == str(limit)
    assert answer.headers["RateLimit-Remaining"] == "0"
    assert answer.headers["RateLimit-Reset"] == str(wait)
    assert answer.headers["RateLimit-Policy"] == f"{limit};w={window_seconds}"


def test_the_limit_of_a_minute_holds_over_all_processes_and_each_face(
    three_a_minute: Web, channel: str
) -> None:
    hub = three_a_minute
    with ThreadPoolExecutor(12) as at_once:
        answers = list(at_once.map(lambda _: ask(hub, channel), range(12)))
    assert sorted(answer.status_code for answer in answers) == [202] * 3 + [429] * 9
    refused = next(answer for answer in answers if answer.status_code == 429)
    check_refusal(refused, 3, 60)
    assert refused.json()["code"] == "rate-limited"
    for path, body in (
        ("/v1/chat/completions", CHAT),
        ("/v1/responses", {"model": "m", "input": "?", "background": True}),
    ):
        answer = hub.post(path, json=body, headers=shown(channel))
        check_refusal(answer, 3, 60)
        assert answer.json()["error"]["code"] == "rate-limited"
    assert ask(hub, f"{channel}-other").status_code == 202


def test_what_is_sent_again_with_its_key_is_answered_past_the_limit(
    three_a_minute: Web, channel: str
) -> None:
    key = {"Idempotency-Key": "once"}
    first = ask(three_a_minute, channel, **key)
    while ask(three_a_minute, channel).status_code == 202:
        pass
    again = ask(three_a_minute, channel, **key)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["id"] == again.json()["id"]
    other = three_a_minute.post(
        "/generations", json={"prompt": "other"}, headers={**shown(channel), **key}
    )
    assert other.status_code == 422


def test_a_request_that_is_wrong_does_not_count(three_a_minute: Web, channel: str) -> None:
    for _ in range(5):
        answer = three_a_minute.post("/generations", json={}, headers=shown(channel))
        assert answer.status_code == 400
    assert [ask(three_a_minute, channel).status_code for _ in range(4)] == [202, 202, 202, 429]


def test_only_so_many_run_at_once_and_an_end_makes_room(two_at_once: Web, channel: str) -> None:
    hub = two_at_once
    with ThreadPoolExecutor(8) as at_once:
        answers = list(at_once.map(lambda _: ask(hub, channel), range(8)))
    made = [answer.json()["id"] for answer in answers if answer.status_code == 202]
    assert len(made) == 2
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["code"] == "too-many-running" and refused.headers["Retry-After"]
    assert hub.post("/v1/chat/completions", json=CHAT, headers=shown(channel)).status_code == 429
    assert ask(hub, f"{channel}-other").status_code == 202
    hub.post(f"/generations/{made[0]}/cancel", headers=shown(channel))
    assert ask(hub, channel).status_code == 202
    assert ask(hub, channel).status_code == 429
    hub.delete(f"/generations/{made[1]}", headers=shown(channel))
    assert ask(hub, channel).status_code == 202


def test_events_are_counted_by_the_second_and_a_batch_as_what_it_holds(
    two_at_once: Web, channel: str
) -> None:
    def publish(lines: int) -> requests.Response:
        return two_at_once.post(
            f"/channels/{channel}/events",
            data='{"data":"x"}\n' * lines,
            headers={**shown(channel), "Content-Type": "application/x-ndjson"},
        )

    began = time.monotonic()
    assert publish(3).status_code == 201
    assert publish(2).status_code == 201
    refused = publish(1)
    if time.monotonic() - began < 1:  # a slow machine had another second
        check_refusal(refused, 5, 1)
        assert refused.json()["code"] == "rate-limited"
    found = two_at_once.get(f"/channels/{channel}", headers=shown(channel)).json()
    assert found["retained"] == 5 + (refused.status_code == 201)


@pytest.mark.parametrize("name", ["", "x" * 500, "a/b", "é", "\n", "*", "{a}"])
def test_whoever_is_counted_is_counted_apart(link: RedisLink, name: str) -> None:
    limits = Limits(link, Settings(generations_per_minute=1))
    limits.generation(f"subject {name}")
    with pytest.raises(TooMany):
        limits.generation(f"subject {name}")
    limits.generation(f"address {name}")


def test_a_batch_beyond_the_limit_takes_a_whole_second() -> None:
    limits = Limits(RedisLink(fakeredis.FakeRedis()), Settings(publishes_per_second=2))
    limits.publish("a", 1000)
    with pytest.raises(TooMany):
        limits.publish("a", 1)


def test_no_limit_asks_redis_nothing() -> None:
    never: Any = None
    limits = Limits(RedisLink(never), Settings(generations_per_minute=0))
    limits.generation("a")
    limits.publish("a", 1)


def test_on_an_open_hub_an_address_is_counted(hubs: Hubs) -> None:
    hub = hubs(WAY, "open, two a minute", HUB_GENERATIONS_PER_MINUTE="2")
    statuses = [hub.post("/generations", json={"prompt": "?"}).status_code for _ in range(3)]
    assert statuses == [202, 202, 429]
