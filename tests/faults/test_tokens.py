"""What ends a token reaches every stream, whatever happens to Redis, the process or the client."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.access.signing import SECRET, rights, token
from tests.conftest import StartStack, StartValkey
from tests.faults.conftest import MakeProxy
from tests.support.deadline import eventually, patience
from tests.support.orders import Orders
from tests.support.shared import shared_stack
from tests.support.stack import Stack, Web
from tests.support.stream import EventStream

pytestmark = [pytest.mark.slow, pytest.mark.sets_keys]

Listen = Callable[..., EventStream]
KEYED = {"HUB_JWT_SECRET": SECRET}


@pytest.fixture(scope="module")
def hub() -> Iterator[Stack]:
    with shared_stack(KEYED, workers=0) as shared:
        yield shared.hub


def bearer(**claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(**claims)}"}


ADMIN = bearer(sub="root", hub=rights())


def revoke(hub: Web, jti: str) -> None:
    assert hub.delete(f"/tokens/{jti}", headers=ADMIN).status_code == 204


def test_a_stream_that_takes_nothing_ends_with_its_token_all_the_same(
    hub: Stack, listen: Listen
) -> None:
    ttl = 8
    brief = bearer(sub="7", ttl=ttl, hub={"subscribe": ["big"]})
    expires = time.time() + ttl
    url = f"{hub.url}/channels/big/events"
    stalled = listen(url, headers=brief, receive_buffer=4096, query={"heartbeat": 300})
    stalled.verdict("big")
    piece = {"data": "x" * 200_000}
    while "hubbub_listeners_behind 1.0" not in hub.get("/metrics", headers=ADMIN).text:
        assert requests.post(url, json=piece, headers=ADMIN, timeout=15).status_code == 201
    assert time.time() < expires, "too slow to see it"
    eventually(lambda: "reason=token-expired" in hub.log(), ttl + 10)
    assert time.time() - expires < 8 * patience()
    assert "hubbub_listeners 0.0" in hub.get("/metrics", headers=ADMIN).text


def test_a_revocation_reaches_every_process_within_a_second_and_one_that_starts_later(
    hub: Stack, listen: Listen
) -> None:
    one, other = hub.web, hub.add_web()
    shown = bearer(sub="7", jti="lost", hub={"subscribe": ["news"]})
    streams = [
        listen(f"{web.url}/channels/news/events", headers=shown)
        for web in (one, other)
        for _ in range(3)
    ]
    for stream in streams:
        stream.verdict("news")
    began = time.monotonic()
    revoke(one, "lost")
    for stream in streams:
        assert json.loads(stream.to_end()[-1].data)["reason"] == "revoked"
    assert time.monotonic() - began < 1.5 * patience()
    for web in (one, other, hub.add_web()):
        assert web.get("/channels/news", headers=shown).status_code == 401


def test_a_process_that_could_not_hear_of_a_revocation_learns_of_it_when_redis_is_back(
    stack: StartStack, start_valkey: StartValkey, proxy: MakeProxy, listen: Listen
) -> None:
    valkey = start_valkey(tcp=True)
    between = proxy(valkey.port)
    near = stack(KEYED, workers=0, redis_url=valkey.url).web
    far = stack(KEYED, workers=0, redis_url=between.url).web
    shown = bearer(sub="7", jti="lost", hub={"subscribe": ["news"]})
    stream = listen(f"{far.url}/channels/news/events", headers=shown)
    stream.verdict("news")
    between.go_silent(for_new_ones_too=True)
    revoke(near, "lost")
    between.speak()
    assert json.loads(stream.next("closing", within_seconds=30).data)["reason"] == "revoked"
    assert far.get("/channels/news", headers=shown).status_code == 401


def test_the_loop_that_reads_revocations_again_may_die(
    stack: StartStack, start_valkey: StartValkey, proxy: MakeProxy, listen: Listen
) -> None:
    valkey = start_valkey(tcp=True)
    between = proxy(valkey.port)
    near = stack(KEYED, workers=0, redis_url=valkey.url).web
    far = stack(KEYED, webs=0, workers=0, redis_url=between.url).add_web(
        "tests.support.killable_web:app", KILLABLE="far"
    )
    shown = bearer(sub="7", jti="lost", hub={"subscribe": ["news"]})
    stream = listen(f"{far.url}/channels/news/events", headers=shown)
    stream.verdict("news")
    with valkey.client() as client:
        assert Orders(client, "far").give("kill", "revocations") == 1
    eventually(lambda: "loop revocations begins again" in far.log())
    between.go_silent(for_new_ones_too=True)
    revoke(near, "lost")
    between.speak()
    assert json.loads(stream.next("closing", within_seconds=30).data)["reason"] == "revoked"


def test_a_token_that_can_be_revoked_waits_while_nobody_can_say_whether_it_was(
    stack: StartStack, start_valkey: StartValkey, listen: Listen
) -> None:
    valkey = start_valkey(tcp=True)
    hub = stack(KEYED, workers=0, redis_url=valkey.url).web
    valkey.pause()
    named = bearer(sub="7", jti="any", hub={"subscribe": ["news"]})
    answer = hub.get("/session", headers=named)
    assert answer.json()["signed_in"] is False
    assert hub.get("/channels/news", headers=named).status_code == 503
    stream = listen(f"{hub.url}/channels/news/events", headers=named, timeout=20)
    assert json.loads(stream.to_end()[-1].data)["reason"] == "overloaded"
    valkey.resume()
    assert eventually(lambda: hub.get("/channels/news", headers=named).status_code == 200, 15)
