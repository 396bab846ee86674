"""Contract §3: publishing as JSON, text and NDJSON."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.support import keys
from tests.support.stack import Web
from tests.support.stream import EventStream

Listen = Callable[..., EventStream]
LINE_ENDS = "one\ntwo\r\nthree\rfour\n\nsix"
AS_HEARD = "one\ntwo\nthree\nfour\n\nsix"


class Publisher:
    """Publishes on one channel and shows what its listeners hear and history keeps."""

    def __init__(self, hub: Web, channel: str, listen: Listen) -> None:
        self.hub, self.channel = hub, channel
        self.path = f"/channels/{channel}/events"
        self._listen = listen

    def json(self, body: object, **headers: str | bytes) -> requests.Response:
        return self.hub.post(self.path, json=body, headers=headers)

    def raw(self, body: bytes, kind: str, query: str = "", **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        path = self.path + query
        return self.hub.post(path, data=body, headers={"Content-Type": kind, **named})

    def kept(self) -> list[tuple[str, str]]:
        events = self.hub.get(f"/channels/{self.channel}/history").json()["events"]
        return [(event["event"], event["data"]) for event in events]

    def heard(self, count: int) -> list[tuple[str, str]]:
        stream = self._listen(self.hub.url + self.path, query={"from": "start"})
        return [(event.event, event.data) for event in stream.take(count)]


@pytest.fixture
def publisher(hub: Web, channel: str, listen: Listen) -> Publisher:
    return Publisher(hub, channel, listen)


def refused(answer: requests.Response, status: int, code: str, field: str | None) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == code
    assert problem.get("field") == field
    if field:
        assert field in problem["detail"]


def test_json_is_answered_201_with_the_id_and_is_in_the_history_then(
    publisher: Publisher,
) -> None:
    answer = publisher.json({"event": "notice", "data": "hello", "retry_ms": 100})
    assert answer.status_code == 201
    assert answer.json() == {"id": answer.json()["id"], "channel": publisher.channel}
    found = publisher.hub.get(f"/channels/{publisher.channel}").json()
    assert (found["last_event_id"], found["retained"]) == (answer.json()["id"], 1)
    assert publisher.heard(1) == [("notice", "hello")]


def test_an_event_without_a_type_is_a_message(publisher: Publisher) -> None:
    publisher.json({"data": "a"})
    publisher.json({"data": "b", "event": "message"})
    publisher.json({"data": "c", "event": None, "retry_ms": None})
    assert publisher.heard(3) == [("message", "a"), ("message", "b"), ("message", "c")]


@pytest.mark.parametrize(
    ("data", "travels_as"),
    [
        ("as it is", "as it is"),
        (" leading and trailing ", " leading and trailing "),
        ("", ""),
        (":colon", ":colon"),
        ("\ufeffbom", "\ufeffbom"),
        ("nul\0nul", "nul\0nul"),
        ("ünï©ödé 🙂", "ünï©ödé 🙂"),
        ({"a": [1, 2.5, None, True], "ü": "🙂"}, '{"a":[1,2.5,null,true],"ü":"🙂"}'),
        ({"text": "a\nb"}, '{"text":"a\\nb"}'),
        ([], "[]"),
        (7, "7"),
        (None, "null"),
        (False, "false"),
    ],
)
def test_a_string_travels_as_it_is_and_other_json_as_compact_json(
    publisher: Publisher, data: object, travels_as: str
) -> None:
    assert publisher.json({"data": data}).status_code == 201
    assert publisher.heard(1) == publisher.kept() == [("message", travels_as)]


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-ndjson"])
def test_line_ends_of_every_kind_split_the_data_and_nothing_breaks_out_of_its_field(
    publisher: Publisher, kind: str
) -> None:
    hostile = LINE_ENDS + "\r\nid: 1\r\revent: gap\ndata: forged\n\nretry: 1"
    heard = AS_HEARD + "\nid: 1\n\nevent: gap\ndata: forged\n\nretry: 1"
    body = hostile if kind == "text/plain" else json.dumps({"data": hostile})
    assert publisher.raw(body.encode(), kind).status_code == 201
    assert publisher.json({"data": "next"}).status_code == 201
    assert publisher.heard(2) == [("message", heard), ("message", "next")]
    assert publisher.kept() == [("message", heard), ("message", "next")]


def test_text_is_the_body_and_the_query_names_its_type(publisher: Publisher) -> None:
    kind = "text/plain; charset=utf-8"
    assert publisher.raw("grüße".encode(), kind, "?event=notice").status_code == 201
    assert publisher.raw(b"", "text/plain").status_code == 201
    assert publisher.heard(2) == [("notice", "grüße"), ("message", "")]


def test_ndjson_is_stored_and_announced_in_order_and_answered_with_the_ids(
    publisher: Publisher,
) -> None:
    lines = [json.dumps({"data": n, "event": "n"}) for n in range(1000)]
    answer = publisher.raw("\n".join(lines).encode(), "application/x-ndjson")
    assert answer.status_code == 201
    assert list(answer.json()) == ["ids"]
    assert len(set(answer.json()["ids"])) == 1000
    assert publisher.heard(1000) == [("n", str(n)) for n in range(1000)]


def test_ndjson_may_end_its_lines_with_crlf_and_have_empty_ones(publisher: Publisher) -> None:
    body = b'{"data":1}\r\n\r\n{"data":2}\r\n'
    assert len(publisher.raw(body, "application/x-ndjson").json()["ids"]) == 2


@pytest.mark.parametrize(
    ("bad", "code", "field"),
    [
        (b'{"data":', "invalid-json", "line 2"),
        (b"[]", "invalid-field", "line 2"),
        (b'{"event":"x"}', "invalid-field", "line 2.data"),
        (b'{"data":1,"event":"gap"}', "reserved-event-type", "line 2.event"),
    ],
)
def test_ndjson_is_all_or_nothing(publisher: Publisher, bad: bytes, code: str, field: str) -> None:
    body = b'{"data":1}\n' + bad + b'\n{"data":3}'
    refused(publisher.raw(body, "application/x-ndjson"), 400, code, field)
    assert publisher.kept() == []


def test_ndjson_is_at_most_a_thousand_events_and_eight_mebibytes(publisher: Publisher) -> None:
    too_many = b'{"data":1}\n' * 1001
    refused(publisher.raw(too_many, "application/x-ndjson"), 400, "invalid-field", "body")
    line = json.dumps({"data": "x" * 200_000}).encode() + b"\n"
    too_much = line * 42
    assert len(too_much) > 8 * 2**20
    refused(publisher.raw(too_much, "application/x-ndjson"), 413, "event-too-large", None)
    for lines in (b"\n\n", b"\n" * 8_000_000, b"\r\n" * 1000):
        refused(publisher.raw(lines, "application/x-ndjson"), 400, "invalid-field", "body")
    assert publisher.kept() == []


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (b"", "invalid-json", "body"),
        (b"{", "invalid-json", "body"),
        (b"\xff", "invalid-json", "body"),
        (b'{"data":"\xff"}', "invalid-json", "body"),
        ('{"data":"utf-16"}'.encode("utf-16"), "invalid-json", "body"),
        (b'{"data":NaN}', "invalid-field", "data"),
        (b'{"data":{"a":[1,-Infinity]}}', "invalid-field", "data.a[1]"),
        (b'{"data":1e999}', "invalid-field", "data"),
        (b'{"data":' + b"9" * 401 + b"}", "invalid-field", "data"),
        (b'{"data":' + b"9" * 5000 + b"}", "invalid-json", "body"),
        (b'{"data":' + b"[" * 957 + b"]" * 957 + b"}", "invalid-json", "body"),
        (b'{"data":[' + b"[]," * 400_000 + b"0]}", "invalid-json", "body"),
        (b'{"data":' + b"[" * 100_000 + b"}", "invalid-json", "body"),
        (b"[]", "invalid-field", "body"),
        (b'"text"', "invalid-field", "body"),
        (b"{}", "invalid-field", "data"),
        (b'{"data":1,"id":"7"}', "invalid-field", "id"),
        (b'{"data":1,"retry_ms":-1}', "invalid-field", "retry_ms"),
        (b'{"data":1,"retry_ms":"5"}', "invalid-field", "retry_ms"),
        (b'{"data":1,"retry_ms":1.5}', "invalid-field", "retry_ms"),
        (b'{"data":1,"retry_ms":true}', "invalid-field", "retry_ms"),
        (b'{"data":1,"event":"\\ud800"}', "invalid-event-type", "event"),
    ],
    ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else None,
)
def test_what_is_malformed_is_a_400_that_names_the_field_and_stores_nothing(
    publisher: Publisher, body: bytes, code: str, field: str
) -> None:
    refused(publisher.raw(body, "application/json"), 400, code, field)
    assert publisher.kept() == []


@pytest.mark.parametrize(("depth", "status"), [(127, 201), (128, 400)])
def test_json_is_stored_up_to_a_depth(publisher: Publisher, depth: int, status: int) -> None:
    answer = publisher.raw(b'{"data":' + b"[" * depth + b"]" * depth + b"}", "application/json")
    assert answer.status_code == status
    assert len(publisher.kept()) == (status == 201)


@pytest.mark.parametrize(
    ("data", "heard"),
    [
        (r'"a\ud83d"', "a\ufffd"),
        (r'{"\udc00":["\ud83d\ude00","\\\ud800"]}', '{"\ufffd":["😀","\\\\\ufffd"]}'),
    ],
)
def test_half_a_character_has_become_one_that_utf_8_can_carry(
    publisher: Publisher, data: str, heard: str
) -> None:
    answer = publisher.raw(b'{"data":%s}' % data.encode(), "application/json")
    assert answer.status_code == 201
    assert publisher.kept() == [("message", heard)]


def test_text_that_is_not_utf_8_is_a_400(publisher: Publisher) -> None:
    refused(publisher.raw(b"\xff\xfe", "text/plain"), 400, "invalid-field", "body")
    assert publisher.kept() == []


def test_another_content_type_is_refused_in_words(publisher: Publisher) -> None:
    answer = publisher.raw(b"<x/>", "application/xml")
    assert answer.status_code == 415
    assert "application/json, text/plain or application/x-ndjson" in answer.json()["detail"]
    assert publisher.kept() == []


@pytest.mark.parametrize(
    "name",
    ["a b", "1st", "-x", "", "x" * 65, "new\nline", "nul\0", "cr\r", "x\n", "ü", "a:b", 7, [], {}],
)
def test_a_type_that_is_none_is_a_400(publisher: Publisher, name: object) -> None:
    refused(publisher.json({"data": 1, "event": name}), 400, "invalid-event-type", "event")
    assert publisher.kept() == []


@pytest.mark.parametrize("name", ["subscribed", "heartbeat", "gap", "closing", "open", "error"])
def test_the_hub_s_own_types_and_eventsource_s_are_reserved(
    publisher: Publisher, name: str
) -> None:
    refused(publisher.json({"data": 1, "event": name}), 400, "reserved-event-type", "event")
    query = f"?event={name}"
    refused(publisher.raw(b"x", "text/plain", query), 400, "reserved-event-type", "event")
    assert publisher.kept() == []


@pytest.mark.parametrize("name", ["A", "a.b_c-D9", "x" * 64, "Subscribed"])
def test_every_other_type_is_free(publisher: Publisher, name: str) -> None:
    assert publisher.json({"data": 1, "event": name}).status_code == 201
    assert publisher.heard(1) == [(name, "1")]


def test_an_event_has_at_most_256_kib_of_data(publisher: Publisher) -> None:
    limit = 256 * 1024
    assert publisher.json({"data": "x" * limit}).status_code == 201
    assert publisher.raw(b"x" * limit, "text/plain").status_code == 201
    assert publisher.raw(("é" * (limit // 2)).encode(), "text/plain").status_code == 201
    line = json.dumps({"data": "x" * limit}).encode()
    assert publisher.raw(line, "application/x-ndjson").status_code == 201
    # Six bytes of JSON for each character of the data
    assert publisher.raw(b'{"data":"%s"}' % (b"\\u0041" * limit), "application/json").ok
    for answer in (
        publisher.json({"data": "x" * (limit + 1)}),
        publisher.json({"data": "é" * (limit // 2) + "x"}),
        publisher.raw(b"x" * (limit + 1), "text/plain"),
        publisher.raw(line + b"\n" + line.replace(b"x", b"xx", 1), "application/x-ndjson"),
    ):
        refused(answer, 413, "event-too-large", None)
    assert len(publisher.kept()) == 1  # a page of history is cut at its size
    assert publisher.hub.get(f"/channels/{publisher.channel}").json()["retained"] == 5


@pytest.mark.parametrize("length", ["known", "chunked"])
def test_413_can_be_read_by_a_client_that_sends_a_big_body_first(
    publisher: Publisher, length: str
) -> None:
    body = b"x" * (6 * 2**20)
    sent: Any = body if length == "known" else iter([body[:65536]] * 96)
    answer = requests.post(
        publisher.hub.url + publisher.path,
        data=sent,
        headers={"Content-Type": "text/plain"},
        timeout=15,
    )
    refused(answer, 413, "event-too-large", None)


def test_a_chunked_body_is_published_whole(publisher: Publisher) -> None:
    answer = requests.post(
        publisher.hub.url + publisher.path,
        data=iter([b"a" * 70_000, b"b" * 70_000]),
        headers={"Content-Type": "text/plain"},
        timeout=15,
    )
    assert answer.status_code == 201
    assert publisher.heard(1) == [("message", "a" * 70_000 + "b" * 70_000)]


def test_a_body_that_ends_before_its_length_is_not_stored(publisher: Publisher) -> None:
    parts = urlsplit(publisher.hub.url)
    head = (
        f"POST {publisher.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
        "Content-Length: 1000\r\n\r\nonly this"
    )
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(head.encode())
        connection.shutdown(socket.SHUT_WR)
        answered = connection.makefile("rb").read()
    assert b" 201 " not in answered.partition(b"\r\n")[0]
    assert publisher.kept() == []


def test_connections_are_kept_for_the_next_publish(publisher: Publisher) -> None:
    parts = urlsplit(publisher.hub.url)
    assert parts.hostname
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    sockets = set()
    for number in range(3):
        body = json.dumps({"data": number})
        headers = {"Content-Type": "application/json", **keys.headers(None)}
        connection.request("POST", publisher.path, body, headers=headers)
        answer = connection.getresponse()
        assert answer.status == 201
        answer.read()
        sockets.add(connection.sock)
    connection.close()
    assert len(sockets) == 1
    assert len(publisher.kept()) == 3


# ── Idempotency-Key ──────────────────────────────────────────────────────────────────────────


def test_a_repeat_stores_nothing_and_answers_200_with_the_first_answer_s_body(
    publisher: Publisher,
) -> None:
    first = publisher.json({"data": "a"}, **{"Idempotency-Key": "k"})
    publisher.json({"data": "between"})
    again = publisher.json({"data": "a"}, **{"Idempotency-Key": "k"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.content == first.content
    assert [data for _, data in publisher.kept()] == ["a", "between"]


def test_a_repeated_batch_is_answered_with_the_same_ids(publisher: Publisher) -> None:
    body = b'{"data":1}\n{"data":2}'
    answers = [
        publisher.raw(body, "application/x-ndjson", Idempotency_Key="batch") for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()
    assert len(publisher.kept()) == 2


def test_the_same_key_with_another_body_is_422(publisher: Publisher) -> None:
    publisher.json({"data": "a"}, **{"Idempotency-Key": "k"})
    answer = publisher.json({"data": "b"}, **{"Idempotency-Key": "k"})
    refused(answer, 422, "idempotency-key-reused", None)
    other_type = publisher.raw(b"a", "text/plain", "?event=x", Idempotency_Key="t")
    assert other_type.status_code == 201
    answer = publisher.raw(b"a", "text/plain", "?event=y", Idempotency_Key="t")
    refused(answer, 422, "idempotency-key-reused", None)
    assert [data for _, data in publisher.kept()] == ["a", "a"]


def test_a_key_is_the_channel_s_own(publisher: Publisher) -> None:
    publisher.json({"data": "a"}, **{"Idempotency-Key": "k"})
    other = Publisher(publisher.hub, f"{publisher.channel}-2", publisher._listen)
    assert other.json({"data": "b"}, **{"Idempotency-Key": "k"}).status_code == 201


def test_a_key_is_not_used_up_by_a_request_that_was_refused(publisher: Publisher) -> None:
    publisher.json({"data": 1, "event": "gap"}, **{"Idempotency-Key": "k"})
    assert publisher.json({"data": 1}, **{"Idempotency-Key": "k"}).status_code == 201


@pytest.mark.parametrize("key", ["x" * 129, "", "tab\there", "é"])
def test_a_key_that_is_none_is_a_400(publisher: Publisher, key: str) -> None:
    answer = publisher.json({"data": 1}, **{"Idempotency-Key": key.encode("latin-1")})
    refused(answer, 400, "invalid-field", "Idempotency-Key")
    assert publisher.json({"data": 1}, **{"Idempotency-Key": "x" * 128}).status_code == 201
