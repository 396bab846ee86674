"""Threads over HTTP, through the whole application and without a worker."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from hub.channel import check_channel
from hub.store.history import History
from tests.workers.conftest import ASKED
from workers import threads
from workers.store import Generations
from workers.threads import PREFIX, Threads


def ask(client: FlaskClient, prompt: str, thread: str, parent: str = "", **options: Any) -> str:
    metadata = {"thread": thread} | ({"parent": parent} if parent else {})
    body = {"prompt": prompt, "metadata": metadata}
    answer = client.post("/generations", json=body, **options)
    assert answer.status_code in (200, 202), answer.text
    found: str = answer.get_json()["id"]
    return found


def told(client: FlaskClient, thread: str) -> list[tuple[str, Any]]:
    """What has been published on the thread's channel."""
    events = client.get(f"/channels/thread:{thread}/history").get_json()["events"]
    return [(event["event"], json.loads(event["data"])) for event in events]


def test_questions_that_name_a_thread_are_its_turns_in_the_order_they_were_asked(
    client: FlaskClient,
) -> None:
    first = ask(client, "Why is the sky blue?", "t1")
    second = ask(client, "And at night?", "t1", parent=first)
    ask(client, "Something else", "t2")
    thread = client.get("/threads/t1").get_json()
    turns = [(turn["id"], turn["parent"]) for turn in thread["generations"]]
    assert turns == [(first, None), (second, first)]
    assert thread["name"] == "Why is the sky blue?"
    assert thread["channel"] == "thread:t1"


def test_each_turn_is_announced_on_the_threads_channel(client: FlaskClient) -> None:
    first = ask(client, "one", "t1")
    second = ask(client, "two", "t1", parent=first)
    assert told(client, "t1") == [
        ("turn", {"id": first, "parent": None}),
        ("turn", {"id": second, "parent": first}),
    ]


def test_a_question_sent_twice_is_one_turn(client: FlaskClient) -> None:
    headers = {"Idempotency-Key": "k"}
    first = ask(client, "one", "t1", headers=headers)
    assert ask(client, "one", "t1", headers=headers) == first
    assert len(client.get("/threads/t1").get_json()["generations"]) == 1


def test_the_list_has_the_thread_with_the_latest_turn_first(client: FlaskClient) -> None:
    for thread in ("old", "new", "old"):
        ask(client, f"about {thread}", thread)
    found = client.get("/threads").get_json()["threads"]
    assert [(one["id"], one["name"], one["turns"]) for one in found] == [
        ("old", "about old", 2),
        ("new", "about new", 1),
    ]
    assert len(client.get("/threads?limit=1").get_json()["threads"]) == 1


def test_a_new_name_is_kept_and_told(client: FlaskClient) -> None:
    ask(client, "one", "t1")
    answer = client.patch("/threads/t1", json={"name": " Colours "})
    assert answer.get_json()["name"] == "Colours"
    assert told(client, "t1")[-1] == ("renamed", {"name": "Colours"})


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": 7}, {"name": "x" * 201}, []])
def test_a_name_that_is_none_is_refused(client: FlaskClient, body: object) -> None:
    ask(client, "one", "t1")
    assert client.patch("/threads/t1", json=body).status_code == 400
    assert client.get("/threads/t1").get_json()["name"] == "one"


def test_deleting_a_thread_deletes_its_generations_and_says_so(client: FlaskClient) -> None:
    first = ask(client, "one", "t1")
    second = ask(client, "two", "t1", parent=first)
    assert client.delete("/threads/t1").status_code == 204
    for path in ("/threads/t1", f"/generations/{first}", f"/generations/{second}"):
        assert client.get(path).status_code == 404
    assert client.get("/threads").get_json() == {"threads": []}
    assert told(client, "t1")[-1] == ("deleted", {})


def test_an_expired_turn_does_not_keep_a_thread_from_being_deleted(client: FlaskClient) -> None:
    first = ask(client, "one", "t1")
    client.delete(f"/generations/{first}")
    assert client.delete("/threads/t1").status_code == 204


@pytest.mark.parametrize("name", ["", "no spaces", "-first", "x" * 101, "a/b"])
def test_a_thread_that_cannot_be_one_is_refused_and_nothing_is_asked(
    client: FlaskClient, name: str
) -> None:
    answer = client.post("/generations", json={"prompt": "x", "metadata": {"thread": name}})
    assert (answer.status_code, answer.get_json()["field"]) == (400, "metadata.thread")
    assert client.get("/generations").get_json() == {"generations": []}


def test_a_thread_has_a_limit(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "MAX_TURNS", 2)
    for number in range(2):
        ask(client, f"{number}", "t1")
    body = {"prompt": "one too many", "metadata": {"thread": "t1"}}
    assert client.post("/generations", json=body).get_json()["field"] == "metadata.thread"
    assert len(client.get("/generations").get_json()["generations"]) == 2


def test_the_question_can_be_read_as_it_was_given(client: FlaskClient) -> None:
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    body = {"messages": [{"role": "user", "content": parts}], "metadata": {"thread": "t1"}}
    generation_id = client.post("/generations", json=body).get_json()["id"]
    question = client.get(f"/generations/{generation_id}/question").get_json()
    assert question == {"content": parts}
    record = client.get(f"/generations/{generation_id}").get_json()
    assert record["question"] == "What is this?"
    assert client.get("/threads/t1").get_json()["name"] == "What is this?"


def test_a_queued_generation_says_how_many_are_before_it(client: FlaskClient) -> None:
    ids = [ask(client, f"{number}", "t1") for number in range(3)]
    assert [client.get(f"/generations/{one}").get_json()["ahead"] for one in ids] == [0, 1, 2]


def test_an_id_is_its_owner_s_own_also_beside_one_that_was_begun_before_it_was_so(
    real_history: History, generations: Generations
) -> None:
    kept = Threads(real_history, keep_seconds=60)
    kept.add("old", generations.create(ASKED, owner="ann").generation)
    assert kept.key_for("ann", "old") == kept.key_to_read("ann", "old") == "old"
    own = kept.key_for("bob", "old")
    assert own != "old" and own not in (kept.key_for("ann", "new"), kept.key_for("cy", "old"))
    kept.add(own, generations.create(ASKED, owner="bob").generation)
    assert kept.key_to_read("bob", "old") == own
    assert kept.get(own).id_for("bob") == "old"
    assert (kept.get(own).id_for("ann"), kept.get("old").id_for("ann")) == (own, "old")
    longest = kept.key_for("bob", "x" * 100)
    assert check_channel(PREFIX + longest)
