"""Contract §7 on a hub with keys: every route, every grant, on both ways to a client.

`docs/security.md` lists each rule beside the test that holds it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.access.signing import SECRET, by_hand, rights, token
from tests.contract.conftest import Hubs
from tests.support.deadline import eventually, patience
from tests.support.stack import Web
from tests.support.stream import EventStream

pytestmark = pytest.mark.sets_keys

Listen = Callable[..., EventStream]
KEYED = {
    "HUB_JWT_SECRET": SECRET,
    "HUB_TRUSTED_PROXIES": "127.0.0.1",
    "HUB_GENERATIONS_PER_MINUTE": "0",
    "HUB_RUNNING_GENERATIONS": "0",
}


@pytest.fixture
def keyed(way: str, hubs: Hubs) -> Web:
    return hubs(way, "keyed", **KEYED)


def bearer(shown: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {shown}"}


def granted(sub: str = "7", **grants: object) -> dict[str, str]:
    """The header of one who may do what is named and nothing else."""
    return bearer(token(sub=sub, hub=grants))


ADMIN = bearer(token(sub="root", hub=rights()))


def code(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def ask(hub: Web, headers: dict[str, str], **more: object) -> str:
    answer = hub.post("/generations", json={"prompt": "?", **more}, headers=headers)
    assert answer.status_code == 202, answer.text
    made: str = answer.json()["id"]
    return made


# ── no token, and tokens that do not count ───────────────────────────────────────────────────────

ROUTES = [
    ("GET", "/channels/news/events"),
    ("HEAD", "/channels/news/events"),
    ("GET", "/events?channel=news"),
    ("POST", "/channels/news/events"),
    ("GET", "/channels/news"),
    ("GET", "/channels/news/history"),
    ("DELETE", "/channels/news"),
    ("POST", "/generations"),
    ("GET", "/generations"),
    ("GET", "/generations/abc"),
    ("GET", "/generations/abc/events"),
    ("POST", "/generations/abc/cancel"),
    ("POST", "/generations/abc/share"),
    ("DELETE", "/generations/abc"),
    ("GET", "/channels/generation:abc/events"),
    ("GET", "/generations/abc/question"),
    ("GET", "/threads"),
    ("GET", "/threads/abc"),
    ("PATCH", "/threads/abc"),
    ("DELETE", "/threads/abc"),
    ("DELETE", "/tokens/abc"),
    ("GET", "/metrics"),
    ("GET", "/status"),
    ("GET", "/status/data"),
    ("GET", "/status/events"),
    ("POST", "/v1/embeddings"),
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/models"),
    ("POST", "/v1/responses"),
    ("GET", "/v1/responses/resp_abc"),
    ("POST", "/v1/responses/resp_abc/cancel"),
    ("DELETE", "/v1/responses/resp_abc"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_asks_for_a_token(keyed: Web, method: str, path: str) -> None:
    body = {"model": "m", "messages": []} if method == "POST" else None
    for headers in ({}, bearer("x"), bearer(token(ttl=-120)), bearer(by_hand({"alg": "none"}, {}))):
        answer = requests.request(method, keyed.url + path, json=body, headers=headers, timeout=15)
        assert answer.status_code == 401, (headers, answer.text)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        challenge = answer.headers["WWW-Authenticate"]
        assert challenge.startswith('Bearer error="invalid_token", error_description="')
        if method != "HEAD":
            told = answer.json()
            assert (told["error"] if path.startswith("/v1/") else told)["code"] == "invalid-token"


@pytest.mark.parametrize("path", ["/healthz", "/", "/notifications", "/g/abc", "/static/style.css"])
def test_health_and_pages_need_none_and_bear_a_bad_one(keyed: Web, path: str) -> None:
    for headers in ({}, bearer("x"), {"Cookie": "hubbub_token=x"}):
        status = keyed.get(path, headers=headers).status_code
        assert status == (401 if path == "/g/abc" else 200)


def test_what_is_wrong_with_a_token_is_said_without_helping_a_forger(keyed: Web) -> None:
    def said(shown: str) -> str:
        answer = keyed.get("/generations", headers=bearer(shown))
        assert answer.status_code == 401
        assert answer.json()["detail"] in answer.headers["WWW-Authenticate"]
        detail: str = answer.json()["detail"]
        return detail

    assert said(token(ttl=-120)) == "the token has expired"
    assert said(token("b" * 32, ttl=-120)) == "the token is not valid"
    assert said(by_hand({"alg": "none"}, {"exp": 1})) == "the token is not valid"
    assert said("") == said("a.b.c") == "the token is not valid"


def test_other_schemes_are_no_tokens(keyed: Web) -> None:
    good = token(sub="7", hub=rights())
    for value in (f"Basic {good}", f"Token {good}", good, f"Bearer{good}"):
        assert keyed.get("/generations", headers={"Authorization": value}).status_code == 401
    for value in (f"bearer {good}", f"BEARER  {good} "):
        assert keyed.get("/generations", headers={"Authorization": value}).status_code == 200


# ── where the token stands ───────────────────────────────────────────────────────────────────────


def test_the_header_wins_over_the_cookie_and_the_cookie_over_the_query(keyed: Web) -> None:
    good, bad = token(sub="7", hub=rights()), token(ttl=-120)

    def status(header: str = "", cookie: str = "", query: str = "") -> int:
        headers = bearer(header) if header else {}
        if cookie:
            headers["Cookie"] = f"other=1; hubbub_token={cookie}"
        asked = {"token": query} if query else {}
        with EventStream(f"{keyed.url}/channels/news/events", query=asked, headers=headers) as got:
            return got.status

    assert status(header=good) == status(cookie=good) == status(query=good) == 200
    assert status(header=good, cookie=bad, query=bad) == 200
    assert status(header=bad, cookie=good, query=good) == 401
    assert status(cookie=good, query=bad) == 200
    assert status(cookie=bad, query=good) == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/channels/news"),
        ("GET", "/channels/news/history"),
        ("POST", "/channels/news/events"),
        ("DELETE", "/channels/news"),
        ("GET", "/generations"),
        ("POST", "/generations"),
        ("GET", "/metrics"),
        ("GET", "/v1/models"),
    ],
)
def test_the_query_counts_on_subscribing_alone(keyed: Web, method: str, path: str) -> None:
    shown = {"token": token(hub=rights())}
    answer = requests.request(method, keyed.url + path, params=shown, json={}, timeout=15)
    assert answer.status_code == 401


def test_a_token_in_an_address_is_in_no_log(keyed: Web, channel: str) -> None:
    shown = token(sub="7", hub=rights())
    signature = shown.rpartition(".")[2]
    with keyed.events(channel, query={"token": shown}) as stream:
        stream.verdict(channel)
    with keyed.events(channel, query={"token": shown, "heartbeat": "x"}) as stream:
        assert signature.encode() not in bytes(stream.raw)
    for path in ("/nowhere", "/metrics", f"/g/{channel}"):
        answer = keyed.get(path, params={"token": shown}, headers={"Accept": "text/html"})
        assert signature not in answer.text
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert eventually(lambda: f"channels={channel}" in keyed.log(), 5)
    assert signature not in keyed.log() and shown[:40] not in keyed.log()


# ── grants ───────────────────────────────────────────────────────────────────────────────────────


def test_subscribing_history_and_information_need_the_subscribe_grant(
    keyed: Web, listen: Listen, channel: str
) -> None:
    reader = granted(subscribe=[channel])
    others = [granted(publish=["*"], generate=True), granted(subscribe=["other"]), granted()]
    listen(f"{keyed.url}/channels/{channel}/events", headers=reader).verdict(channel)
    for path in (f"/channels/{channel}", f"/channels/{channel}/history"):
        assert keyed.get(path, headers=reader).status_code == 200
    for headers in others:
        for path in ("", "/history", "/events"):
            answer = keyed.get(f"/channels/{channel}{path}", headers=headers)
            assert code(answer) == (403, "forbidden")
            assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


def test_of_several_channels_each_must_be_granted(keyed: Web, listen: Listen, channel: str) -> None:
    reader = granted(subscribe=[channel, f"{channel}-*"])
    listen(
        f"{keyed.url}/events", query={"channel": [channel, f"{channel}-b"]}, headers=reader
    ).verdict(f"{channel}-b")
    for names in ([channel, "secret"], ["secret", channel], ["secret"], [channel, f"{channel}b"]):
        answer = keyed.get("/events", params={"channel": names}, headers=reader)
        assert code(answer) == (403, "forbidden")


def test_a_cursor_of_channels_that_one_may_hear_opens_no_other(keyed: Web, channel: str) -> None:
    both = granted(subscribe=[f"{channel}-a", f"{channel}-b"])
    names = [f"{channel}-a", f"{channel}-b"]
    with EventStream(f"{keyed.url}/events", query={"channel": names}, headers=both) as stream:
        stream.verdict(names[0])
        cursor = stream.last_id
    for asked in ([*names, "secret"], ["secret"]):
        answer = keyed.get(
            "/events", params={"channel": asked}, headers={**both, "Last-Event-ID": cursor}
        )
        assert answer.status_code == 403


@pytest.mark.parametrize(
    ("grant", "named", "status"),
    [
        ("user:7:*", "user:7:inbox", 200),
        ("user:7:*", "user:70:inbox", 403),
        ("user:7:*", "user:7", 403),
        ("*", "anything", 200),
        ("", "anything", 403),
        ("any*ng", "anything", 403),
        ("anything", "Anything", 403),
    ],
)
def test_a_prefix_reaches_as_far_as_it_is_written(
    keyed: Web, grant: str, named: str, status: int
) -> None:
    answer = keyed.get(f"/channels/{named}", headers=granted(subscribe=[grant]))
    assert answer.status_code == status


@pytest.mark.parametrize(
    "path",
    [
        "/channels/{0}%2Fevents",
        "/channels/mine%2F..%2F{0}/events",
        "/channels/mine/../{0}/events",
        "/channels//{0}/events",
        "//channels/{0}/events",
        "/channels/{0}%00/events",
        "/channels/{0}%0d%0a/events",
        "/channels/{0};mine/events",
        "/channels/%c3%a9{0}/events",
        "/channels/%{1}/events",
        "/channels/{0}/events/",
        "/./channels/{0}/events",
        "/events?channel=mine&channel={0}",
        "/events?channel=mine&channel=%{1}",
        "/events?channel=mine&channel={0}%00",
        "/events?channel=mine,{0}",
    ],
)
def test_no_spelling_of_a_path_leads_past_the_grant(
    keyed: Web, listen: Listen, channel: str, path: str
) -> None:
    """Raw, as no library would send it; what comes must not be the other channel's stream."""
    secret = f"{channel}-secret"
    encoded = f"{ord(secret[0]):02x}{secret[1:]}"
    shown = granted(subscribe=["mine"])
    stream = listen(keyed.url + path.format(secret, encoded), headers=shown)
    assert stream.status in (400, 401, 403, 404)


def test_publishing_needs_the_publish_grant(keyed: Web, channel: str) -> None:
    path = f"/channels/{channel}/events"
    assert keyed.post(path, json={"data": 1}, headers=granted(publish=[channel])).status_code == 201
    for headers in (granted(subscribe=["*"], generate=True), granted(publish=["other"])):
        assert code(keyed.post(path, json={"data": 1}, headers=headers)) == (403, "forbidden")
    found = keyed.get(f"/channels/{channel}", headers=granted(subscribe=[channel])).json()
    assert found["retained"] == 1


def test_nobody_forges_what_a_conversation_s_channel_says(keyed: Web) -> None:
    path, event = "/channels/thread:abcdef/events", {"event": "turn", "data": {"id": "forged"}}
    for grants in ({"publish": ["*"]}, {"publish": ["thread:*"]}, {"admin": True}):
        answer = keyed.post(path, json=event, headers=granted(**grants))
        assert code(answer) == (403, "reserved-channel")


def test_deleting_a_channel_needs_admin(keyed: Web, channel: str) -> None:
    path = f"/channels/{channel}"
    assert keyed.delete(path, headers=granted(publish=["*"], subscribe=["*"])).status_code == 403
    assert keyed.delete(path, headers=granted(admin=True)).status_code == 204


@pytest.mark.parametrize("path", ["/metrics", "/status", "/status/data"])
def test_metrics_and_status_need_admin(keyed: Web, path: str) -> None:
    everything_else = granted(subscribe=["*"], publish=["*"], generate=True)
    assert keyed.get(path, headers=everything_else).status_code == 403
    assert keyed.get(path, headers=granted(admin=True)).status_code == 200


def test_an_idempotency_key_is_its_subject_s_own(keyed: Web, channel: str) -> None:
    path, key = f"/channels/{channel}/events", {"Idempotency-Key": "1"}
    mine, yours = (granted(sub, publish=[channel]) for sub in ("7", "8"))
    first = keyed.post(path, json={"data": "mine"}, headers={**mine, **key})
    again = keyed.post(path, json={"data": "mine"}, headers={**mine, **key})
    other = keyed.post(path, json={"data": "yours"}, headers={**yours, **key})
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 201)
    assert first.json() == again.json() != other.json()


# ── generations ──────────────────────────────────────────────────────────────────────────────────


def test_generating_needs_the_generate_grant(keyed: Web) -> None:
    everything_else = granted(subscribe=["*"], publish=["*"])
    chat = {"model": "m", "messages": [{"role": "user", "content": "?"}]}
    for path, body in (
        ("/generations", {"prompt": "?"}),
        ("/v1/chat/completions", chat),
        ("/v1/responses", {"model": "m", "input": "?"}),
    ):
        assert keyed.post(path, json=body, headers=everything_else).status_code == 403
    ask(keyed, granted(generate=True))


def test_what_one_has_asked_is_one_s_own_in_every_way(keyed: Web, listen: Listen) -> None:
    mine = granted("mine", generate=True)
    made = ask(keyed, mine)
    for path in (f"/generations/{made}/events", f"/channels/generation:{made}/events"):
        listen(keyed.url + path, headers=mine).until(lambda stream: stream.events)
    listen(f"{keyed.url}/events", query={"channel": f"generation:{made}"}, headers=mine).until(
        lambda stream: stream.events
    )
    assert keyed.get(f"/channels/generation:{made}", headers=mine).status_code == 200
    assert keyed.get(f"/channels/generation:{made}/history", headers=mine).status_code == 200
    assert keyed.get(f"/g/{made}", headers=mine).status_code == 200
    assert keyed.get(f"/generations/{made}", headers=mine).json()["id"] == made
    answer = keyed.post(f"/generations/{made}/cancel", headers=mine)
    assert answer.json()["status"] == "cancelled"
    assert keyed.delete(f"/generations/{made}", headers=mine).status_code == 204


def test_what_another_has_asked_does_not_exist(keyed: Web) -> None:
    made = ask(keyed, granted("mine", generate=True))
    near = f"generation:{made}x*"
    other = granted("other", subscribe=["news", near], publish=["*"], generate=True)
    for method, path in (
        ("GET", "/generations/{}"),
        ("GET", "/generations/{}/question"),
        ("GET", "/generations/{}/events"),
        ("GET", "/channels/generation:{}/events"),
        ("GET", "/events?channel=generation:{}"),
        ("GET", "/channels/generation:{}"),
        ("GET", "/channels/generation:{}/history"),
        ("POST", "/generations/{}/cancel"),
        ("POST", "/generations/{}/share"),
        ("DELETE", "/generations/{}"),
        ("GET", "/v1/responses/resp_{}"),
        ("GET", "/v1/responses/resp_{}?stream=true"),
        ("POST", "/v1/responses/resp_{}/cancel"),
        ("DELETE", "/v1/responses/resp_{}"),
        ("GET", "/g/{}"),
    ):

        def answer(name: str, method: str = method, path: str = path) -> tuple[int, str]:
            got = requests.request(method, keyed.url + path.format(name), headers=other, timeout=15)
            return got.status_code, got.text.replace(name, "…")

        status, words = answer(made)
        assert status == 404, (method, path, words)
        assert (status, words) == answer("0" * len(made)), "nor does its answer tell it apart"
    assert keyed.get(f"/generations/{made}", headers=ADMIN).json()["status"] == "queued"


def test_a_grant_lets_others_watch_and_no_more(keyed: Web, listen: Listen) -> None:
    made = ask(keyed, granted("mine", generate=True))
    for grant in (f"generation:{made}", "generation:*", "*"):
        watcher = granted("other", subscribe=[grant])
        listen(f"{keyed.url}/generations/{made}/events", headers=watcher).until(
            lambda stream: stream.events
        )
        assert keyed.get(f"/generations/{made}", headers=watcher).status_code == 200
        for method, path in (("POST", "/cancel"), ("POST", "/share"), ("DELETE", "")):
            answer = requests.request(
                method, f"{keyed.url}/generations/{made}{path}", headers=watcher, timeout=15
            )
            assert code(answer) == (403, "forbidden")


def test_an_admin_sees_and_ends_everybody_s(keyed: Web) -> None:
    made = ask(keyed, granted("mine", generate=True))
    admin = granted("root", admin=True)
    assert keyed.get(f"/generations/{made}", headers=admin).status_code == 200
    assert keyed.post(f"/generations/{made}/cancel", headers=admin).json()["status"] == "cancelled"
    assert keyed.delete(f"/generations/{made}", headers=admin).status_code == 204


def test_a_list_holds_one_s_own_and_an_admin_s_holds_all(keyed: Web, channel: str) -> None:
    mine, yours = (granted(f"{channel}-{sub}", generate=True) for sub in "ab")
    made = {ask(keyed, mine), ask(keyed, mine)}
    other = ask(keyed, yours)

    def listed(headers: dict[str, str]) -> set[str]:
        answer = keyed.get("/generations?limit=100", headers=headers)
        return {one["id"] for one in answer.json()["generations"]}

    assert listed(mine) == made
    assert listed(yours) == {other}
    assert listed(granted("nobody")) == set()
    assert listed(granted("root", admin=True)) >= made | {other}


def test_tokens_without_a_subject_do_not_share_what_they_made(keyed: Web) -> None:
    one, two = (bearer(token(jti=jti, hub={"generate": True})) for jti in ("s1", "s2"))
    made = ask(keyed, one)
    assert keyed.get(f"/generations/{made}", headers=one).status_code == 200
    assert keyed.get(f"/generations/{made}", headers=two).status_code == 404
    assert keyed.get("/generations", headers=two).json()["generations"] == []


def test_a_generation_s_idempotency_key_is_its_subject_s_own(keyed: Web, channel: str) -> None:
    key = {"Idempotency-Key": "same"}
    mine, yours = (granted(f"{channel}-{sub}", generate=True) for sub in "ab")
    body = {"prompt": "?"}
    first = keyed.post("/generations", json=body, headers={**mine, **key})
    again = keyed.post("/generations", json=body, headers={**mine, **key})
    other = keyed.post("/generations", json=body, headers={**yours, **key})
    assert (first.status_code, again.status_code, other.status_code) == (202, 200, 202)
    assert first.json()["id"] == again.json()["id"] != other.json()["id"]


def test_a_response_cannot_go_on_from_another_s(keyed: Web) -> None:
    made = ask(keyed, granted("mine", generate=True))
    body = {"model": "m", "input": "?", "previous_response_id": f"resp_{made}", "background": True}
    answer = keyed.post("/v1/responses", json=body, headers=granted("other", generate=True))
    assert answer.status_code == 404


def test_the_workers_channels_are_reserved_to_them_also_for_an_admin(keyed: Web) -> None:
    made = ask(keyed, ADMIN)
    channel = f"/channels/generation:{made}"
    for shown in (ADMIN, granted("other", publish=["*"])):
        answer = keyed.post(f"{channel}/events", json={"data": 1}, headers=shown)
        assert code(answer) == (403, "reserved-channel")
        assert code(keyed.delete(channel, headers=shown)) == (403, "reserved-channel")


# ── chats and runs of front ends ─────────────────────────────────────────────────────────────────


def test_another_s_chat_and_thread_do_not_exist(keyed: Web, channel: str) -> None:
    mine, yours = granted("mine", generate=True), granted("yours", generate=True, subscribe=["*"])
    text = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "?"}]}
    chat = {"id": channel, "messages": [text], "trigger": "submit-message"}
    run = {
        "threadId": channel,
        "runId": "r1",
        "messages": [{"id": "1", "role": "user", "content": "?"}],
        "tools": [],
        "context": [],
        "state": {},
        "forwardedProps": {},
    }
    with keyed.post("/api/chat", json=chat, headers=mine, stream=True) as first:
        assert first.status_code == 200
    with keyed.post("/ag-ui", json=run, headers=mine, stream=True) as first:
        assert first.status_code == 200
    watched, connect = f"/api/chat/{channel}/stream", {"threadId": channel}
    for shown, chat_status, run_status in ((mine, 200, 200), (yours, 204, 404)):
        with keyed.get(watched, headers=shown, stream=True) as answer:
            assert answer.status_code == chat_status
        with keyed.post("/ag-ui/connect", json=connect, headers=shown, stream=True) as answer:
            assert answer.status_code == run_status
    assert keyed.post(f"/api/chat/{channel}/stop", headers=yours).status_code in (204, 404)
    listed = keyed.get("/generations", headers=mine).json()["generations"]
    assert [each["status"] for each in listed[:2]] == ["queued", "queued"], "nobody has stopped it"
    # The same id is another chat of the other one's own.
    with keyed.post("/api/chat", json=chat, headers=yours, stream=True) as own:
        assert own.status_code == 200
        assert own.headers["Hubbub-Generation"] not in {each["id"] for each in listed}


# ── conversations ────────────────────────────────────────────────────────────────────────────────


def test_a_conversation_is_its_beginner_s(keyed: Web, listen: Listen, channel: str) -> None:
    mine, yours = (granted(f"{channel}-{sub}", generate=True) for sub in "ab")
    ask(keyed, mine, metadata={"thread": channel})
    path, name = f"/threads/{channel}", {"name": "mine"}
    thread = keyed.get(path, headers=mine).json()
    assert (thread["id"], thread["turns"]) == (channel, 1)
    its_channel = thread["channel"]
    key = its_channel.removeprefix("thread:")
    listen(f"{keyed.url}/channels/{its_channel}/events", headers=mine).verdict(its_channel)
    ask(keyed, mine, metadata={"thread": channel})
    assert keyed.get("/threads", headers=yours).json()["threads"] == []
    for method, at, body in (
        *(
            (method, f"/threads/{one}", None)
            for one in (channel, key)
            for method in ("GET", "DELETE")
        ),
        *(("PATCH", f"/threads/{one}", name) for one in (channel, key)),
        ("GET", f"/channels/{its_channel}/events", None),
        ("GET", f"/channels/{its_channel}/history", None),
    ):
        answer = requests.request(method, keyed.url + at, json=body, headers=yours, timeout=15)
        assert answer.status_code == 404, (method, at)
    watching = granted("watcher", subscribe=[its_channel])
    for shown in (ADMIN, watching):
        found = keyed.get(f"/threads/{key}", headers=shown).json()
        assert (found["id"], found["turns"]) == (key, 2)
    changed = requests.patch(f"{keyed.url}/threads/{key}", json=name, headers=watching, timeout=15)
    assert code(changed) == (403, "forbidden")
    changed = requests.patch(keyed.url + path, json=name, headers=mine, timeout=15)
    assert changed.json()["name"] == "mine"
    assert keyed.delete(path, headers=mine).status_code == 204
    assert keyed.get(path, headers=mine).status_code == 404


def test_a_conversation_s_name_does_not_tell_that_another_has_one(keyed: Web, channel: str) -> None:
    """Every way in that takes the name says the same of one that another has and of one that is
    free, and what is asked under it is the asking one's own."""
    mine, yours = (granted(f"{channel}-{sub}", generate=True) for sub in "ab")
    first = ask(keyed, mine, metadata={"thread": channel})
    key = keyed.get(f"/threads/{channel}", headers=mine).json()["channel"].removeprefix("thread:")

    def probe(name: str) -> list[tuple[str, int, str]]:
        text = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "?"}]}
        message, named = {"id": "1", "role": "user", "content": "?"}, {"thread": name}
        run = {"threadId": name, "runId": "r", "messages": [message], "tools": [], "context": []}
        asked: list[tuple[str, str, dict[str, Any] | None]] = [
            ("GET", f"/threads/{name}", None),
            ("PATCH", f"/threads/{name}", {"name": "n"}),
            ("DELETE", f"/threads/{name}", None),
            ("GET", f"/channels/thread:{name}/history", None),
            ("POST", "/ag-ui/connect", {"threadId": name}),
            ("GET", f"/api/chat/{name}/stream", None),
            ("POST", f"/api/chat/{name}/stop", None),
            ("POST", "/generations", {"prompt": "?", "metadata": named}),
            ("POST", "/v1/responses", {"input": "?", "background": True, "metadata": named}),
            ("POST", "/api/chat", {"id": name, "messages": [text], "trigger": "submit-message"}),
            ("POST", "/ag-ui", {**run, "state": {}, "forwardedProps": {}}),
            ("GET", f"/threads/{name}", None),
            ("DELETE", f"/threads/{name}", None),
        ]
        told = []
        for method, at, body in asked:
            with requests.request(
                method, keyed.url + at, json=body, headers=yours, timeout=15, stream=True
            ) as answer:
                problem = "" if answer.ok else answer.text.replace(name, "NAME")
                told.append((f"{method} {at}".replace(name, "NAME"), answer.status_code, problem))
        return told

    free = f"{channel}-free"
    assert probe(channel) == probe(free)
    assert probe(key) == probe(f"{key}-free")
    (turn,) = keyed.get(f"/threads/{channel}", headers=mine).json()["generations"]
    assert turn["id"] == first, "nobody else's question was added"


# ── share links ──────────────────────────────────────────────────────────────────────────────────


def shared(hub: Web, made: str, headers: dict[str, str], **body: object) -> dict[str, Any]:
    options = {"json": body} if body else {}
    answer = hub.post(f"/generations/{made}/share", headers=headers, **options)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_share_link_shows_one_generation_and_nothing_else(keyed: Web, listen: Listen) -> None:
    mine = granted("mine", generate=True)
    made, other = ask(keyed, mine), ask(keyed, mine)
    link = shared(keyed, made, mine)
    assert link["url"].startswith(f"{keyed.url}/g/{made}?token=")
    shown = parse_qs(urlsplit(link["url"]).query)["token"][0]
    assert requests.get(link["url"], timeout=15).status_code == 200
    listen(f"{keyed.url}/generations/{made}/events", query={"token": shown}).until(
        lambda stream: stream.events
    )
    guest = bearer(shown)
    assert keyed.get(f"/generations/{made}", headers=guest).json()["id"] == made
    assert keyed.get(f"/generations/{other}", headers=guest).status_code == 404
    assert keyed.get(f"/g/{other}?token={shown}").status_code == 404
    assert keyed.get("/generations", headers=guest).json()["generations"] == []
    assert keyed.get("/channels/news", headers=guest).status_code == 403
    assert keyed.post(f"/generations/{made}/cancel", headers=guest).status_code == 403
    assert keyed.post(f"/generations/{made}/share", headers=guest).status_code == 403
    assert keyed.delete(f"/generations/{made}", headers=guest).status_code == 403
    assert keyed.post("/generations", json={"prompt": "?"}, headers=guest).status_code == 403


def test_a_share_link_shows_its_page_to_whoever_is_signed_in(keyed: Web) -> None:
    """On that page alone the address wins over the cookie; the header wins over both."""
    mine = granted("mine", generate=True)
    made = ask(keyed, mine)
    link = shared(keyed, made, mine)["url"]
    other = {"Cookie": f"hubbub_token={granted('other')['Authorization'].split()[1]}"}
    shown = link.partition("?")[2]
    assert requests.get(link, headers=other, timeout=15).status_code == 200
    assert requests.get(link, headers=granted("other"), timeout=15).status_code == 404
    for path in (f"/g/{made}", f"/generations/{made}?{shown}"):
        assert keyed.get(path, headers=other).status_code == 404
    with keyed.get(f"/generations/{made}/events?{shown}", headers=other, stream=True) as stream:
        assert stream.status_code == 404


def test_a_share_link_ends_when_it_says_and_can_be_taken_back(keyed: Web, listen: Listen) -> None:
    mine = granted("mine", generate=True)
    made = ask(keyed, mine)
    link = shared(keyed, made, mine, ttl_seconds=3600)
    until = time.time() + 3600
    assert abs(time.mktime(time.strptime(link["expires"][:19], "%Y-%m-%dT%H:%M:%S")) - until) < 60
    shown = parse_qs(urlsplit(link["url"]).query)["token"][0]
    watching = listen(f"{keyed.url}/generations/{made}/events", query={"token": shown})
    watching.until(lambda stream: stream.events)
    stranger = granted("stranger", generate=True, subscribe=["*"])
    assert keyed.delete(f"/tokens/{link['jti']}", headers=stranger).status_code == 403
    assert keyed.delete(f"/tokens/{link['jti']}", headers=mine).status_code == 204
    assert watching.to_end()[-1].event == "closing"
    assert keyed.get(f"/generations/{made}", headers=bearer(shown)).status_code == 401


@pytest.mark.parametrize("ttl", [0, -1, 1.5, "1h", 10**12, True, None])
def test_how_long_a_link_lives_is_checked(keyed: Web, ttl: object) -> None:
    mine = granted("mine", generate=True)
    answer = keyed.post(
        f"/generations/{ask(keyed, mine)}/share", json={"ttl_seconds": ttl}, headers=mine
    )
    assert answer.status_code == 400 and answer.json()["field"] == "ttl_seconds"


def test_a_share_link_is_not_made_with_the_hub_s_secret(keyed: Web) -> None:
    """Nor can one who mints tokens make links, whose claims say another thing."""
    made = ask(keyed, granted("mine", generate=True))
    link = shared(keyed, made, ADMIN)
    shown = parse_qs(urlsplit(link["url"]).query)["token"][0]
    header = json.loads(json.dumps({"typ": "hubbub-share+jwt", "alg": "HS256"}))
    forged = by_hand(header, {"exp": 4_000_000_000, "jti": "x", "channel": "news"}, b"x" * 32)
    assert keyed.get("/channels/news", headers=bearer(forged)).status_code == 401
    assert keyed.get("/channels/news", headers=bearer(shown)).status_code == 403


# ── ends ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_stream_ends_when_its_token_does(keyed: Web, listen: Listen, channel: str) -> None:
    brief = bearer(token(sub="7", ttl=2, hub={"subscribe": [channel]}))
    stream = listen(f"{keyed.url}/channels/{channel}/events", headers=brief)
    last = stream.to_end(10)[-1]
    assert last.event == "closing"
    assert json.loads(last.data) == {"reason": "token-expired", "reconnect": True}


def test_a_revoked_token_s_streams_end_and_it_opens_no_more(
    keyed: Web, listen: Listen, channel: str
) -> None:
    shown = bearer(token(sub="7", jti=f"j-{channel}", hub={"subscribe": [channel]}))
    kept = bearer(token(sub="7", jti=f"k-{channel}", hub={"subscribe": [channel]}))
    path = f"{keyed.url}/channels/{channel}/events"
    ends, stays = listen(path, headers=shown), listen(path, headers=kept)
    for stream in (ends, stays):
        stream.verdict(channel)
    assert keyed.delete(f"/tokens/j-{channel}", headers=kept).status_code == 403
    began = time.monotonic()
    assert keyed.delete(f"/tokens/j-{channel}", headers=ADMIN).status_code == 204
    last = ends.to_end()[-1]
    assert time.monotonic() - began < 1.5 * patience()
    assert json.loads(last.data) == {"reason": "revoked", "reconnect": False}
    refused = keyed.get(f"/channels/{channel}", headers=shown)
    assert (refused.status_code, refused.json()["detail"]) == (401, "the token was revoked")
    assert not stays.ended
    assert keyed.get(f"/channels/{channel}", headers=kept).status_code == 200


# ── sessions ─────────────────────────────────────────────────────────────────────────────────────


def signed_in(hub: Web, shown: str) -> requests.Session:
    session = requests.Session()
    session.headers["Origin"] = hub.url
    answer = session.post(f"{hub.url}/session", json={"token": shown}, timeout=15)
    assert answer.status_code == 200, answer.text
    return session


def test_a_session_is_a_cookie_that_no_script_can_read(keyed: Web) -> None:
    shown = token(sub="7", hub={"subscribe": ["news"], "generate": True})
    answer = keyed.post("/session", json={"token": shown})
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("hubbub_token=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert shown not in answer.text
    assert answer.json() == {
        "required": True,
        "signed_in": True,
        "subject": "7",
        "expires": answer.json()["expires"],
        "subscribe": ["news"],
        "publish": [],
        "generate": True,
        "admin": False,
    }


def test_behind_tls_a_session_s_cookie_is_secure_and_this_host_s_alone(keyed: Web) -> None:
    shown, tls = token(sub="7", hub=rights()), {"X-Forwarded-Proto": "https"}
    given = keyed.post("/session", json={"token": shown}, headers=tls).headers["Set-Cookie"]
    named, *said = given.split("; ")
    assert named == f"__Host-hubbub_token={shown}"
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(said)
    assert not [one for one in said if one.startswith("Domain")]
    other = f"hubbub_token={token(ttl=-120)}"  # as a neighbouring host may set it
    for cookies, head, status in (
        (named, tls, 200),
        (f"{other}; {named}", tls, 200),
        (other, tls, 401),
        (named, {}, 401),
    ):
        answer = keyed.get("/generations", headers={**head, "Cookie": cookies})
        assert answer.status_code == status, (cookies, head)
    for origin, status in ((keyed.url, 403), (keyed.url.replace("http", "https"), 204)):
        by_cookie = {**tls, "Cookie": named, "Origin": origin}
        answer = keyed.delete("/session", headers=by_cookie)
        assert answer.status_code == status
    assert "__Host-hubbub_token=; " in answer.headers["Set-Cookie"]
    assert "; Secure; " in answer.headers["Set-Cookie"]


def test_a_session_tells_who_one_is_and_ends(keyed: Web, channel: str) -> None:
    session = signed_in(keyed, token(sub="7", hub=rights()))
    with session:
        who = session.get(f"{keyed.url}/session", timeout=15).json()
        assert (who["signed_in"], who["subject"]) == (True, "7")
        path = f"{keyed.url}/channels/{channel}/events"
        assert session.post(path, json={"data": 1}, timeout=15).status_code == 201
        assert session.delete(f"{keyed.url}/session", timeout=15).status_code == 204
        assert "hubbub_token" not in session.cookies
        assert session.get(f"{keyed.url}/channels/{channel}", timeout=15).status_code == 401
    nobody = keyed.get("/session").json()
    assert (nobody["required"], nobody["signed_in"], nobody["subject"]) == (True, False, None)


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null", "http://127.0.0.1:1"])
def test_a_change_by_cookie_needs_the_hub_s_own_origin(
    keyed: Web, channel: str, origin: str | None
) -> None:
    with signed_in(keyed, token(sub="7", hub=rights())) as session:
        session.headers["Origin"] = origin  # type: ignore[assignment]
        for method, path in (
            ("POST", f"/channels/{channel}/events"),
            ("DELETE", f"/channels/{channel}"),
            ("POST", "/generations"),
            ("DELETE", "/session"),
        ):
            answer = session.request(method, keyed.url + path, json={"data": 1}, timeout=15)
            assert code(answer) == (403, "cross-origin")
    assert keyed.get(f"/channels/{channel}", headers=ADMIN).json()["retained"] == 0


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"token": "x"}, 401, "invalid-token"),
        ({"token": token(ttl=-120)}, 401, "invalid-token"),
        ({"token": 7}, 400, "invalid-field"),
        ({}, 400, "invalid-field"),
        ([], 400, "invalid-field"),
    ],
)
def test_what_is_no_token_makes_no_session(
    keyed: Web, body: object, status: int, said: str
) -> None:
    answer = keyed.post("/session", json=body)
    assert code(answer) == (status, said)
    assert "Set-Cookie" not in answer.headers


def test_an_open_hub_asks_for_nothing_and_sets_no_cookie(hub: Web) -> None:
    assert hub.get("/session").json()["required"] is False
    answer = hub.post("/session", json={"token": "x"})
    assert (answer.status_code, answer.json()["signed_in"]) == (200, False)
    assert "Set-Cookie" not in answer.headers
    assert hub.get("/generations", headers=bearer("sk-whatever")).status_code == 200
