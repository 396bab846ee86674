"""Generations over HTTP, through the whole application and without a worker."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from hub import sse
from hub.errors import RedisUnavailable
from hub.store.redis_link import RedisLink
from tests.workers.conftest import ASKED, Attempts
from workers.generation import Terminal
from workers.provider import Delta
from workers.store import Generations

PROBLEM = "application/problem+json"
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
def ended(attempts: Attempts, generations: Generations) -> str:
    """The id of a generation that has said "Hello" and completed."""
    generation = generations.create(ASKED).generation
    publisher = attempts.begin(generation.id)
    publisher.put(Delta(0, "content", "Hello"))
    assert publisher.finish(Terminal.completed({0: "stop"}, None, None))
    return generation.id


def ask(client: FlaskClient, body: Any = None, **options: Any) -> Any:
    return client.post("/generations", json={"prompt": "Why?"} if body is None else body, **options)


def events(data: bytes) -> list[sse.Parsed]:
    return list(sse.Parser().feed(data))


def test_a_question_is_accepted_with_the_places_where_its_answer_will_be(
    client: FlaskClient,
) -> None:
    answer = ask(client)
    body = answer.get_json()
    generation_id = body["id"]
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/generations/{generation_id}"
    assert body == {
        "id": generation_id,
        "status": "queued",
        "channel": f"generation:{generation_id}",
        "events": f"/generations/{generation_id}/events",
        "page": f"/g/{generation_id}",
        "created": body["created"],
    }
    assert body["created"].endswith("Z") and len(body["created"]) == 24


def test_a_generation_is_read_at_its_location(client: FlaskClient) -> None:
    location = ask(client, {"prompt": "Why?", "n": 2}).headers["Location"]
    body = client.get(location).get_json()
    assert body["status"] == "queued"
    assert [choice["content"] for choice in body["choices"]] == ["", ""]
    assert body["listeners"] == 0


@pytest.mark.parametrize(
    ("body", "field"), [({"prompt": ""}, "prompt"), ({"prompt": "a", "n": 0}, "n"), ([], "body")]
)
def test_a_wrong_field_is_400_with_its_name_and_nothing_is_stored(
    client: FlaskClient, body: Any, field: str
) -> None:
    answer = ask(client, body)
    assert (answer.status_code, answer.mimetype) == (400, PROBLEM)
    assert answer.get_json()["field"] == field
    assert client.get("/generations").get_json() == {"generations": []}


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "invalid-json"),
        (b'{"prompt": "a"}', "text/plain", 415, "unsupported-media-type"),
        (b'{"prompt": NaN}', "application/json", 400, "invalid-field"),
        (b'{"prompt": "a", "metadata": ' + b"[" * 957, "application/json", 400, "invalid-json"),
        (b'{"\\ud800": 1}', "application/json", 400, "invalid-field"),
        (b"x" * (8 * 2**20 + 1), "application/json", 413, "request-too-large"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_clear_error(
    client: FlaskClient, body: bytes, kind: str, status: int, code: str
) -> None:
    answer = client.post("/generations", data=body, content_type=kind)
    assert (answer.status_code, answer.mimetype) == (status, PROBLEM)
    assert code == answer.get_json()["code"]
    assert client.get("/generations").get_json() == {"generations": []}


@pytest.mark.parametrize("query", ["format=xml", "heartbeat=0", "from=middle"])
def test_a_wrong_wish_for_the_stream_is_400_and_nothing_is_stored(
    client: FlaskClient, query: str
) -> None:
    answer = ask(client, query_string=query, headers=STREAM)
    assert answer.status_code == 400
    assert answer.get_json()["field"] == query.partition("=")[0]
    assert client.get("/generations").get_json() == {"generations": []}


def test_a_repeated_key_answers_200_with_the_first_and_422_for_another_body(
    client: FlaskClient,
) -> None:
    key = {"Idempotency-Key": "k"}
    first, again = ask(client, headers=key), ask(client, headers=key)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.get_json() == again.get_json()
    other = ask(client, {"prompt": "other"}, headers=key)
    assert (other.status_code, other.get_json()["code"]) == (422, "idempotency-key-reused")
    assert ask(client, headers={"Idempotency-Key": "x" * 129}).status_code == 400


def test_the_list_has_the_newest_first(client: FlaskClient) -> None:
    ids = [ask(client).get_json()["id"] for _ in range(3)]
    listed = client.get("/generations?limit=2").get_json()["generations"]
    # Made within one millisecond they have no order of their own.
    assert len(listed) == 2
    assert {each["id"] for each in listed} <= set(ids)
    for limit in ("0", "101", "x", "-1"):
        assert client.get(f"/generations?limit={limit}").get_json()["field"] == "limit"


def test_cancel_stops_what_was_not_begun_and_can_be_repeated(client: FlaskClient) -> None:
    location = ask(client).headers["Location"]
    first, again = (client.post(f"{location}/cancel") for _ in range(2))
    assert first.status_code == again.status_code == 200
    assert first.get_json() == again.get_json()
    assert first.get_json()["status"] == "cancelled"


def test_a_deleted_generation_is_404(client: FlaskClient) -> None:
    location = ask(client).headers["Location"]
    assert client.delete(location).status_code == 204
    for answer in (
        client.get(location),
        client.delete(location),
        client.post(f"{location}/cancel"),
        client.post(f"{location}/share"),
        client.get(f"{location}/events"),
    ):
        assert (answer.status_code, answer.get_json()["code"]) == (404, "not-found")


@pytest.mark.parametrize("generation_id", ["nobody", "a b", "%7Bx%7D", "x" * 200, "ü"])
def test_what_never_was_is_404(client: FlaskClient, generation_id: str) -> None:
    for path in ("", "/events", "/events?format=text"):
        answer = client.get(f"/generations/{generation_id}{path}")
        assert (answer.status_code, answer.mimetype) == (404, PROBLEM)


def test_a_shared_link_leads_to_the_page(client: FlaskClient) -> None:
    body = ask(client).get_json()
    answer = client.post(f"/generations/{body['id']}/share")
    assert answer.get_json() == {"url": f"http://localhost{body['page']}", "expires": None}


def test_the_events_of_an_ended_generation_are_its_snapshot_and_its_end(
    client: FlaskClient, ended: str
) -> None:
    answer = client.get(f"/generations/{ended}/events")
    assert answer.content_type == "text/event-stream; charset=utf-8"
    found = events(answer.data)
    assert [each.event for each in found] == ["subscribed", "snapshot", "completed"]
    assert json.loads(found[1].data)["choices"][0]["content"] == "Hello"


def test_in_the_dialects_nothing_is_seen_but_the_text(client: FlaskClient, ended: str) -> None:
    text = events(client.get(f"/generations/{ended}/events?format=text").data)
    assert [(each.event, each.data) for each in text] == [("message", "Hello")]
    openai = events(client.get(f"/generations/{ended}/events?format=openai").data)
    assert json.loads(openai[0].data)["choices"][0]["delta"]["content"] == "Hello"
    assert openai[-1].data == "[DONE]"


@pytest.mark.parametrize("dialect", ["events", "openai", "text"])
def test_who_returns_with_all_seen_gets_204(client: FlaskClient, ended: str, dialect: str) -> None:
    url = f"/generations/{ended}/events?format={dialect}"
    last_id = events(client.get(url).data)[-1].id
    assert client.get(url, headers={"Last-Event-ID": last_id}).status_code == 204


def test_a_question_that_wants_a_stream_gets_it_from_its_start(
    client: FlaskClient, generations: Generations, ended: str
) -> None:
    """The first answer of a repeated key, which has ended: a stream that ends."""
    key = {"Idempotency-Key": "k"}
    first = ask(client, headers=key).get_json()["id"]
    generations.cancel(first, "ann")
    answer = ask(client, headers={**key, **STREAM})
    assert answer.status_code == 200
    assert answer.headers["Location"] == f"/generations/{first}"
    assert [each.event for each in events(answer.data)] == ["subscribed", "cancelled"]


def test_everything_is_accepted_but_a_stream_only_by_its_name(client: FlaskClient) -> None:
    for accept in ("*/*", "application/json", "text/*", "text/event-stream;q=0"):
        answer = ask(client, headers={"Accept": accept})
        assert (answer.status_code, answer.mimetype) == (202, "application/json")
    answer = ask(client, headers={"Accept": "Text/Event-Stream"})
    assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
    answer.close()


def test_without_redis_it_is_an_honest_503(
    client: FlaskClient, generations: Generations, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise RedisUnavailable("Redis does not answer")

    monkeypatch.setattr(RedisLink, "run", away)
    answer = ask(client)
    assert (answer.status_code, answer.get_json()["code"]) == (503, "redis-unavailable")
    assert answer.headers["Retry-After"]
