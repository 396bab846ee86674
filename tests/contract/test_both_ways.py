"""A subscription is judged alike whether Flask sees it or not: on the short way past it, where the
listener keeps its socket, and on the portable way through it."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

import pytest

from tests.access.signing import rights, token
from tests.contract.conftest import ORIGIN, WAYS, Hubs
from tests.contract.test_way_in import Answer, ask
from tests.contract.test_who_may import KEYED
from tests.support import keys

pytestmark = pytest.mark.slow

SERVERS_OWN = {
    "date", "connection", "server", "transfer-encoding", "content-length", "keep-alive",
    "x-request-id",
}  # fmt: skip

PATHS = [
    f"/channels/{name}/events"
    for name in (
        "news", "n%65ws", "user:7:inbox", "user%3A7", "a%2Fb", "a%2fevents", "a%00", "%00",
        "a%0d%0ab",
        "a%20b", "a+b", "%2e", "%2E%2E", ".", "-a", "~", "a" * 128, "a" * 129, "%61" * 128, "a%",
        "a%zz",
        "%C3%A9", "%ff", "%F0%9F%92%A9", "%ED%A0%80", "a;b", "a%3Fb", "a%23b", "generation:x",
        "a%25",
        "a%5Cb", "a*", "@a", "a@b", "", "news/", "/news", "news//",
    )
]  # fmt: skip
PATHS += [
    "/channels/news/events/", "/Channels/news/events", "/channels/news/events/x", "//events",
    "/channels/../events", "/events", "/events/", "/%65vents?channel=a",
]  # fmt: skip
QUERIES = [
    "channel=a", "channel=a&channel=b", "channel=a&channel=a", "channel=", "channel", "channel=%00",
    "channel=a%2Fb", "channel=a+b", "channel=%ff", "channel=%C3%A9", "Channel=a",
    "channel=a;channel=b",
    "&".join(f"channel=c{n}" for n in range(8)), "&".join(f"channel=c{n}" for n in range(9)),
    "channel=a&from=now", "channel=a&from=Now", "channel=a&from=start&from=x", "channel=a&from=x",
    "channel=a&from=", "channel=a&heartbeat=1", "channel=a&heartbeat=0", "channel=a&heartbeat=%31",
    "channel=a&heartbeat=1.0", "channel=a&heartbeat=%D9%A1", "channel=a&heartbeat=301",
    "channel=a&quiet=2",
    "channel=a&heartbeat_style=comment", "channel=a&heartbeat_style=x", "channel=a&quiet=1",
    "channel=a&last_event_id=%00", "channel=a&last_event_id=1-1", "channel=a&lastEventId=zzz",
    "channel=a&overload=503", "channel=a&overload=1", "channel=a&unknown=1", "channel=a&envelope=3",
    "channel=generation:x&channel=a", "channel=a&%66rom=x", "channel=a&from=%73tart",
]  # fmt: skip
HEADS: list[dict[str, str]] = [
    {"Last-Event-ID": "1-1"}, {"Last-Event-ID": "\xff"}, {"Last-Event-ID": "x" * 4000},
    {"Origin": ORIGIN}, {"Origin": "https://evil.example"}, {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"}, {"Host": "rebound.example"}, {"Host": "[::1]"}, {"Host": ""},
    {"Host": "localhost", "X-Forwarded-Host": "evil"}, {"Accept": "text/html"}, {"Accept": "a/b"},
]  # fmt: skip


def shown(answer: Answer) -> tuple[int, Mapping[str, str], Any]:
    """What a client can tell of an answer, but for what each server adds to every one."""
    headers = {n: v for n, v in answer.headers.items() if n not in SERVERS_OWN}
    if "vary" in headers:
        headers["vary"] = ", ".join(sorted(headers["vary"].split(", ")))
    if "json" in headers.get("content-type", ""):
        return answer.status, headers, json.loads(answer.body)
    return answer.status, headers, answer.body


def compare(
    hubs: Hubs,
    path: str,
    head: Mapping[str, str] | None = None,
    kind: str = "hub",
    env: Mapping[str, str] | None = None,
) -> int:
    wanted = {"Host": "localhost", **(head or {})}
    short, portable = (ask(hubs(way, kind, **(env or {})), "GET", path, wanted) for way in WAYS)
    assert shown(short) == shown(portable), path
    assert short.status < 500
    assert short.headers["x-content-type-options"] == "nosniff"
    return short.status


@pytest.mark.parametrize("path", PATHS)
def test_paths_are_read_alike(hubs: Hubs, path: str) -> None:
    compare(hubs, path)


@pytest.mark.parametrize("query", QUERIES)
def test_queries_are_read_alike(hubs: Hubs, query: str) -> None:
    compare(hubs, f"/events?{query}")
    compare(hubs, f"/channels/news/events?{query}")


@pytest.mark.parametrize("head", HEADS, ids=str)
def test_heads_are_read_alike(hubs: Hubs, head: dict[str, str]) -> None:
    compare(hubs, "/channels/news/events", head)
    compare(hubs, "/events?channel=a&channel=b", head)


def test_random_heads_are_read_alike(hubs: Hubs) -> None:
    dice = random.Random(11)
    statuses = set()
    for _ in range(300):
        path = dice.choice(PATHS).partition("?")[0]
        if dice.random() < 0.3:
            at = dice.randrange(1, len(path) + 1)
            path = f"{path[:at]}%{dice.randrange(256):02X}{path[at:]}"
        query = "&".join(dice.choice(QUERIES) for _ in range(dice.randrange(3)))
        head: dict[str, str] = {}
        for _ in range(dice.randrange(3)):
            head |= dice.choice(HEADS)
        statuses.add(compare(hubs, f"{path}?{query}", head))
    assert statuses >= {200, 400, 404} | (set() if keys.ON else {421})


TOKENS = [
    {"Authorization": f"Bearer {token(hub=rights())}"},
    {"Authorization": f"bearer  {token(hub=rights())} "},
    {"Authorization": f"Bearer {token(hub={'subscribe': ['news']})}"},
    {"Authorization": f"Bearer {token(jti='named', hub={'subscribe': ['a', 'b']})}"},
    {"Authorization": f"Bearer {token(ttl=-120)}"},
    {"Authorization": f"Bearer {token()}, Bearer {token()}"},
    {"Authorization": "Bearer"}, {"Authorization": "Bearer \xff"}, {"Authorization": "Basic YTpi"},
    {"Cookie": f"a=b; hubbub_token={token(hub=rights())}; c"},
    {"Cookie": "hubbub_token="}, {"Cookie": ";;=;hubbub_token"},
    {"Cookie": f'hubbub_token="{token(hub=rights())}"', "Authorization": "Bearer x"},
    {},
]  # fmt: skip


@pytest.mark.parametrize("head", TOKENS, ids=lambda head: "+".join(head) or "none")
def test_tokens_are_read_alike(hubs: Hubs, head: dict[str, str]) -> None:
    kind, env = "keyed", KEYED
    paths = ["/channels/news/events", "/events?channel=a&channel=b", "/channels/a%00/events"]
    paths += ["/channels/generation:x/events", "/events", f"/events?channel=a&token={token()}"]
    for path in paths:
        compare(hubs, path, head, kind, env)


KINDS = (
    "application/json", "Application/JSON; charset=utf-8", "text/plain", "application/x-ndjson",
    "text/html", "", "application/json,text/plain", ";", "application/jsonx",
)  # fmt: skip
BODIES = (
    b'{"data":"x"}', b'{"data":{"a":[1,2.50]},"event":"notice","retry_ms":5}', b"", b"{", b"[]",
    b'{"data":"x","event":"gap"}', b'{"data":"\\ud800"}', b'{"data":NaN}', b'{"datum":1}',
    b'{"data":"a"}\n{"data":"b"}\n', b"\n\n", b"\xff", b'{"data":"x","retry_ms":-1}', b"a\r\nb",
    b'{"data":"' + b"x" * 262_145 + b'"}',
)  # fmt: skip
PUBLISH_HEADS: list[dict[str, str]] = [
    {}, {"Idempotency-Key": ""}, {"Idempotency-Key": "k" * 129}, {"Idempotency-Key": "a\tb"},
    {"Origin": ORIGIN}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"},
    {"Content-Encoding": "gzip"}, {"Content-Encoding": "identity"}, {"Host": "rebound.example"},
    {"Transfer-Encoding": "chunked"}, {"Expect": "100-continue"}, {"Upgrade": "h2c"},
    {"X-Forwarded-For": "1.2.3.4"}, {"Accept": "text/html"}, {"Cookie": "hubbub_token=x"},
]  # fmt: skip


def compare_publish(
    hubs: Hubs,
    path: str,
    head: Mapping[str, str],
    body: bytes,
    kind: str = "hub",
    env: Mapping[str, str] | None = None,
) -> int:
    """Answered alike, but for the ids."""
    wanted = {"Host": "localhost", **head}
    if wanted.get("Transfer-Encoding") == "chunked":
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    else:
        wanted["Content-Length"] = str(len(body))
    answers = [ask(hubs(way, kind, **(env or {})), "POST", path, wanted, body) for way in WAYS]
    seen = []
    for answer in answers:
        status, headers, said = shown(answer)
        if isinstance(said, dict):
            said = {n: len(v) if n == "ids" else v for n, v in said.items() if n != "id"}
        seen.append((status, headers, said))
    assert seen[0] == seen[1], (path, head, body[:100])
    assert answers[0].status < 500
    return answers[0].status


def test_publishes_are_read_alike(hubs: Hubs) -> None:
    statuses = set()
    for body in BODIES:
        for kind in KINDS:
            head = {"Content-Type": kind} if kind else {}
            statuses.add(compare_publish(hubs, "/channels/alike/events", head, body))
    assert statuses == {201, 400, 413, 415}


@pytest.mark.parametrize("head", PUBLISH_HEADS, ids=str)
def test_heads_of_publishes_are_read_alike(hubs: Hubs, head: dict[str, str]) -> None:
    head = {"Content-Type": "application/json", **head}
    for path in ("/channels/alike/events", "/channels/generation:x/events", "/channels/-/events"):
        compare_publish(hubs, path, head, BODIES[0])


@pytest.mark.parametrize("path", PATHS)
def test_paths_of_publishes_are_read_alike(hubs: Hubs, path: str) -> None:
    compare_publish(hubs, path, {"Content-Type": "application/json"}, BODIES[0])
    compare_publish(hubs, f"{path}?event=notice", {"Content-Type": "text/plain"}, b"x")
    compare_publish(hubs, f"{path}?event=gap&event=x", {"Content-Type": "text/plain"}, b"x")


@pytest.mark.parametrize("head", TOKENS, ids=lambda head: "+".join(head) or "none")
def test_tokens_of_publishes_are_read_alike(hubs: Hubs, head: dict[str, str]) -> None:
    kind, env = "keyed", KEYED
    head = {"Content-Type": "application/json", **head}
    for path in (
        "/channels/news/events",
        "/channels/alike/events",
        "/channels/generation:x/events",
    ):
        for _ in range(2):  # a token that was checked is remembered
            compare_publish(hubs, path, head, BODIES[0], kind, env)
