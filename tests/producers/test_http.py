"""Producers over HTTP, on a real gunicorn and Valkey, where no worker runs (contract §4)."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from hub.access.minting import mint
from tests.support.deadline import eventually, patience
from tests.support.open_body import OpenBody
from tests.support.stack import Stack, Web
from tests.support.stream import EventStream

Listen = Callable[..., EventStream]
NDJSON = {"Content-Type": "application/x-ndjson"}
CHUNKS = {"Content-Type": "text/event-stream"}


def begin(hub: Web, **fields: object) -> dict[str, Any]:
    answer = hub.post("/generations", json={"producer": "client", **fields})
    assert answer.status_code == 201, answer.text
    begun: dict[str, Any] = answer.json()
    return begun


def lines(*values: object) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def send(
    hub: Web, begun: dict[str, Any], *values: object, sequence: int | None = None
) -> requests.Response:
    numbered = {} if sequence is None else {"Hubbub-Sequence": str(sequence)}
    return hub.post(begun["deltas"], data=lines(*values), headers={**NDJSON, **numbered})


def content(hub: Web, begun: dict[str, Any]) -> str:
    text: str = hub.generation(begun["id"])["choices"][0]["content"]
    return text


def test_a_producer_is_told_where_to_send_and_runs_at_once(hub: Web, listen: Listen) -> None:
    begun = begin(hub, prompt="Why?", model="mine")

    assert begun["deltas"] == f"/generations/{begun['id']}/deltas"
    assert begun["lease_seconds"] == 15
    assert begun["status"] == "running"
    watcher = listen(hub.url + begun["events"], query={"from": "start"})
    started = json.loads(watcher.next("started").data)
    assert (started["model"], started["attempt"]) == ("mine", 1)


def test_lines_are_events_and_the_end_is_one(hub: Web, listen: Listen) -> None:
    begun = begin(hub, prompt="Why?")
    watcher = listen(hub.url + begun["events"])
    usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}

    sent = send(
        hub,
        begun,
        {"index": 0, "reasoning": "Hm."},
        {"content": "The sea"},
        {"name": "step", "data": {"n": 1}, "id": "s"},
        {"content": " is salty 🌊", "annotations": [{"type": "x"}]},
        {"usage": usage},
    )
    assert (sent.status_code, sent.json()["next_sequence"]) == (200, 6)
    assert send(hub, begun, {"completed": {}}).json()["status"] == "completed"

    completed = json.loads(watcher.next("completed").data)
    assert completed["usage"] == usage
    assert completed["choices"] == [{"index": 0, "finish_reason": "stop"}]
    record = hub.generation(begun["id"])
    assert record["choices"][0]["content"] == "The sea is salty 🌊"
    assert record["choices"][0]["reasoning"] == "Hm."
    assert record["choices"][0]["annotations"] == [{"type": "x"}]
    assert record["data"] == [{"name": "step", "data": {"n": 1}, "id": "s"}]
    assert record["usage"] == usage


def test_each_line_of_an_open_body_is_published_as_it_arrives(hub: Web, listen: Listen) -> None:
    begun = begin(hub)
    watcher = listen(hub.url + begun["events"])
    body = OpenBody(hub.url + begun["deltas"])

    for word in ("one ", "two ", "three"):
        body.line(content=word)
        assert json.loads(watcher.next("delta").data)["content"] == word
    body.say('{"content"')  # half a line is none
    body.say(': "."}\n{"completed": {}}\n')
    watcher.next("completed")
    assert body.end() == (
        200,
        {"id": begun["id"], "status": "completed", "next_sequence": 6},
    )
    assert content(hub, begun) == "one two three."


@pytest.mark.slow
def test_a_body_that_lives_may_last_longer_than_other_bodies(impatient: Web) -> None:
    hub = impatient
    begun = begin(hub)
    body = OpenBody(hub.url + begun["deltas"])
    body.line(content="a")
    until = time.monotonic() + 5  # HUB_BODY_SECONDS is 2, three leases are 3
    while time.monotonic() < until:
        body.say("\n")
        time.sleep(0.3)
    body.line(content="b")
    assert body.end()[0] == 200
    assert content(hub, begun) == "ab"


@pytest.mark.slow
def test_silence_for_three_leases_is_the_end_without_any_worker(
    impatient: Web, listen: Listen
) -> None:
    hub = impatient
    begun, spoken = begin(hub), begin(hub)
    body = OpenBody(hub.url + spoken["deltas"])
    body.line(content="half an ")
    watcher = listen(hub.url + begun["events"])

    failed = json.loads(watcher.next("failed", within_seconds=15).data)
    assert failed["code"] == "producer-lost"
    status, answer = body.answer()  # without its end
    assert (status, answer["code"]) == (409, "ended")
    record = hub.finished(spoken["id"])
    assert (record["status"], record["error"]["code"]) == ("failed", "producer-lost")
    assert record["choices"][0]["content"] == "half an "
    assert send(hub, begun, {"content": "late"}).json()["code"] == "ended"


@pytest.mark.parametrize("kind", ["application/x-ndjson", "text/event-stream"])
def test_after_a_cancel_the_answer_is_ended_and_at_once_on_an_open_body(
    hub: Web, kind: str
) -> None:
    begun = begin(hub)
    body = OpenBody(hub.url + begun["deltas"], kind)
    body.say("\n")
    eventually(lambda: hub.get("/healthz").ok)
    assert hub.post(f"/generations/{begun['id']}/cancel").json()["status"] == "cancelled"

    began = time.monotonic()
    status, answer = body.answer()
    assert (status, answer["code"]) == (409, "ended")
    assert time.monotonic() - began < 2 * patience()
    again = send(hub, begun, {"content": "late"}, sequence=1)
    assert (again.status_code, again.json()["code"]) == (409, "ended")


def test_one_who_goes_on_sending_reads_that_it_has_ended(hub: Web) -> None:
    begun = begin(hub)
    body = OpenBody(hub.url + begun["deltas"])
    body.line(content="a")
    eventually(lambda: content(hub, begun) == "a")
    assert hub.post(f"/generations/{begun['id']}/cancel").ok
    with pytest.raises(OSError):  # some time the hub reads no more
        for _ in range(200):
            body.line(content="x" * 65_536)
            time.sleep(0.01)
    assert body.answer()[0] == 409


def test_lines_with_numbers_are_stored_once_however_often_they_are_sent(hub: Web) -> None:
    begun = begin(hub)
    first = [{"content": "a"}, {"content": "b"}, {"content": "c"}]
    assert send(hub, begun, *first, sequence=1).json()["next_sequence"] == 4
    assert send(hub, begun, *first, sequence=1).json()["next_sequence"] == 4
    assert send(hub, begun, *first[1:], {"content": "d"}, sequence=2).ok
    assert content(hub, begun) == "abcd"

    gap = send(hub, begun, {"content": "f"}, sequence=6)
    assert (gap.status_code, gap.json()["code"]) == (409, "sequence-gap")
    assert gap.headers["Hubbub-Sequence"] == "5"
    last = [{"content": "e"}, {"completed": {}}]
    assert send(hub, begun, *last, sequence=5).json()["status"] == "completed"
    repeated = send(hub, begun, *last, sequence=5)
    assert (repeated.status_code, repeated.json()["status"]) == (200, "completed")
    assert send(hub, begun, *last, {"content": "f"}, sequence=5).status_code == 409
    assert content(hub, begun) == "abcde"


def test_numbers_may_begin_with_0(hub: Web) -> None:
    begun = begin(hub)
    for _ in range(2):
        sent = send(hub, begun, {"content": "a"}, {"content": "b"}, sequence=0)
        assert sent.json()["next_sequence"] == 2
    assert send(hub, begun, {"content": "c"}, sequence=2).ok
    assert content(hub, begun) == "abc"


def test_an_answer_that_is_cut_fifty_times_and_resumed_is_whole(
    stack: Callable[..., Stack],
) -> None:
    both = stack(workers=0, webs=2, env={"HUB_LEASE_SECONDS": "2"}).webs
    begun = begin(both[0])
    chance = random.Random(7)
    words = [f"word{n} " for n in range(400)]
    at = 1
    for n in range(50):
        hub = both[n % 2]
        start = max(1, at - chance.randrange(4))  # it does not know how much has come
        body = OpenBody(hub.url + begun["deltas"], sequence=start)
        end = min(len(words), start + chance.randrange(1, 16))
        for number in range(start, end + 1):
            body.line(content=words[number - 1])
        if chance.random() < 0.5:
            body.say('{"content": "half a li')
        body.cut()
        probe = both[0].post(begun["deltas"], headers={**NDJSON, "Hubbub-Sequence": "0"})
        at = int(probe.headers["Hubbub-Sequence"])
    rest = [{"content": word} for word in words[at - 1 :]]
    assert send(both[1], begun, *rest, {"completed": {}}, sequence=at).ok
    assert content(both[0], begun) == "".join(words)


def chunk(**delta: object) -> str:
    value = {"model": "theirs", "choices": [{"index": 0, "delta": delta}]}
    return f"data: {json.dumps(value)}\n\n"


def test_a_provider_s_answer_is_piped_through(hub: Web, listen: Listen) -> None:
    begun = begin(hub)
    watcher = listen(hub.url + begun["events"])
    body = OpenBody(hub.url + begun["deltas"], "text/event-stream", sequence=1)

    body.say(": a comment\n\n" + chunk(role="assistant", content="Hel"))
    assert json.loads(watcher.next("delta").data)["content"] == "Hel"
    body.say(chunk(content="lo", matched_stop=3))
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}], "usage": usage}
    body.say(f"data: {json.dumps(last)}\n\ndata: [DONE]\n\n")
    completed = json.loads(watcher.next("completed").data)
    assert body.end()[1]["status"] == "completed"

    assert completed["choices"] == [{"index": 0, "finish_reason": "length"}]
    record = hub.generation(begun["id"])
    assert (record["model"], record["usage"]["total_tokens"]) == ("theirs", 3)
    assert record["choices"][0]["content"] == "Hello"
    assert record["choices"][0]["matched_stop"] == 3


def test_a_piped_answer_that_was_cut_is_sent_again_from_its_beginning(hub: Web) -> None:
    begun = begin(hub)
    whole = [chunk(content=f"<think>no</think>{n} " if n == 0 else f"{n} ") for n in range(9)]
    body = OpenBody(hub.url + begun["deltas"], "text/event-stream", sequence=1)
    body.say("".join(whole[:5]) + whole[5][:20])
    eventually(lambda: "4 " in content(hub, begun))
    body.cut()
    stopped = 'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
    for _ in range(2):  # without [DONE], as some say it
        data = ("".join(whole) + stopped).encode()
        sent = hub.post(begun["deltas"], data=data, headers={**CHUNKS, "Hubbub-Sequence": "1"})
        assert sent.json()["status"] == "completed"
    record = hub.generation(begun["id"])["choices"][0]
    assert (record["reasoning"], record["content"].strip()) == (
        "no",
        " ".join(map(str, range(9))),
    )


def test_a_provider_s_error_ends_the_answer_as_its_failure(hub: Web) -> None:
    begun = begin(hub)
    error = {"error": {"message": "overloaded", "type": "server_error", "code": 503}}
    data = chunk(content="Hel") + f"data: {json.dumps(error)}\n\n"
    assert hub.post(begun["deltas"], data=data.encode(), headers=CHUNKS).ok
    record = hub.generation(begun["id"])
    assert (record["status"], record["error"]["message"]) == ("failed", "overloaded")


def test_a_producer_says_itself_that_it_failed(hub: Web) -> None:
    begun = begin(hub)
    failed = {"code": "no-money", "message": "ask later", "retryable": True}
    assert send(hub, begun, {"content": "a"}, {"failed": failed}).json()["status"] == "failed"
    assert hub.generation(begun["id"])["error"] == failed


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("no json", "line 2"),
        ("[]", "line 2"),
        ("{}", "line 2"),
        ('{"contents": "x"}', "line 2"),
        ('{"content": 1}', "line 2.content"),
        ('{"index": 1, "content": "x"}', "line 2.index"),
        ('{"index": true, "content": "x"}', "line 2.index"),
        ('{"content": "x", "logprobs": 1}', "line 2.logprobs"),
        ('{"tool_calls": "x"}', "line 2.tool_calls"),
        ('{"tool_calls": [{"function": "x"}]}', "line 2.tool_calls[0].function"),
        ('{"content": "x", "a": 1, "places": {"a": "nowhere"}}', "line 2.places"),
        ('{"name": "no name", "data": 1}', "line 2.name"),
        ('{"name": "n", "data": 1, "id": 2}', "line 2.id"),
        ('{"name": "n", "data": 1, "more": 2}', "line 2.more"),
        ('{"usage": 3}', "line 2.usage"),
        ('{"usage": {"prompt_tokens": -1}}', "line 2.usage.prompt_tokens"),
        ('{"completed": 3}', "line 2.completed"),
        ('{"completed": {}, "content": "x"}', "line 2.content"),
        ('{"completed": {"choices": [{"index": 9}]}}', "line 2.completed.choices[0].index"),
        ('{"failed": {"code": "No Word"}}', "line 2.failed.code"),
        ('{"content": "x", "n": 1e999}', "line 2"),
    ],
)
def test_a_bad_line_is_named_and_what_came_before_it_stays(hub: Web, line: str, names: str) -> None:
    begun = begin(hub)
    data = b'{"content": "before"}\n' + line.encode() + b'\n{"content": "behind"}\n'
    answer = hub.post(begun["deltas"], data=data, headers=NDJSON)
    assert answer.status_code == 400, answer.text
    assert answer.json()["field"].startswith(names)
    assert answer.headers["Hubbub-Sequence"] == "2"
    record = hub.generation(begun["id"])
    assert (record["status"], record["choices"][0]["content"]) == ("running", "before")
    assert send(hub, begun, {"content": "!"}, {"completed": None}, sequence=2).ok
    assert content(hub, begun) == "before!"


def test_what_is_no_body_of_a_producer_is_refused(hub: Web) -> None:
    begun = begin(hub)
    assert (
        hub.post(begun["deltas"], data=b"x", headers={"Content-Type": "text/plain"}).status_code
        == 415
    )
    for number in ("-1", "x", "1.5", str(2**54)):
        answer = hub.post(begun["deltas"], data=b"", headers={**NDJSON, "Hubbub-Sequence": number})
        assert (answer.status_code, answer.json()["field"]) == (400, "Hubbub-Sequence")
    assert hub.post("/generations/unknown-id/deltas", data=b"", headers=NDJSON).status_code == 404
    asked = hub.generate("a worker's")
    assert hub.post(f"/generations/{asked}/deltas", data=b"", headers=NDJSON).status_code == 404
    answer = hub.post("/generations", json={"producer": "me", "prompt": "x"})
    assert (answer.status_code, answer.json()["field"]) == (400, "producer")
    not_chunks = hub.post(begun["deltas"], data=b"data: nonsense\n\n", headers=CHUNKS)
    assert (not_chunks.status_code, not_chunks.json()["field"]) == (400, "event 1")
    assert hub.generation(begun["id"])["status"] == "running"


@pytest.mark.sets_keys
def test_only_its_creator_sends_the_answer(stack: Callable[..., Stack]) -> None:
    secret = "a secret of at least thirty-two bytes"
    hub = stack(workers=0, env={"HUB_JWT_SECRET": secret}).web

    def shown(subject: str, **grants: Any) -> dict[str, str]:
        token = mint(secret, ttl_seconds=60, subject=subject, generate=True, **grants)
        return {"Authorization": f"Bearer {token}"}

    made = hub.post("/generations", json={"producer": "client"}, headers=shown("ada"))
    deltas = made.json()["deltas"]

    def answer(headers: dict[str, str]) -> int:
        data = lines({"content": "x"})
        return hub.post(deltas, data=data, headers={**NDJSON, **headers}).status_code

    assert answer({}) == 401
    assert answer(shown("bob")) == 404
    assert answer(shown("bob", subscribe=["generation:*"])) == 403
    assert answer(shown("ada")) == 200


def test_an_answer_that_is_too_large_ends_over_all_its_bodies(
    stack: Callable[..., Stack],
) -> None:
    hub = stack(workers=0, env={"HUB_MAX_ANSWER_BYTES": "65536"}).web
    begun = begin(hub)
    answers = [send(hub, begun, {"content": "x" * 20_000}).status_code for _ in range(4)]
    assert answers == [200, 200, 200, 413]
    record = hub.generation(begun["id"])
    assert (record["status"], record["error"]["code"]) == ("failed", "answer-too-large")
    assert len(record["choices"][0]["content"]) == 60_000


def test_halves_of_a_character_in_two_lines_are_one(hub: Web) -> None:
    begun = begin(hub)
    data = b'{"content": "a\\ud83d"}\n{"content": "\\ude00b"}\n{"content": "\\ud83d"}\n'
    assert hub.post(begun["deltas"], data=data, headers=NDJSON).ok
    assert content(hub, begun) == "a😀b\ufffd"


def test_many_who_send_without_numbers_at_once_lose_nothing(hub: Web) -> None:
    begun = begin(hub)
    bodies = [OpenBody(hub.url + begun["deltas"]) for _ in range(6)]
    for n in range(20):
        for body in bodies:
            body.line(content=f"{n},")
    assert [body.end()[0] for body in bodies] == [200] * 6
    said = re.findall(r"\d+", content(hub, begun))
    assert sorted(said) == sorted(str(n) for n in range(20) for _ in bodies)


def test_what_ended_is_counted(hub: Web) -> None:
    def completed() -> float:
        found = re.search(
            r'hubbub_generations_total{status="completed"} (\S+)', hub.get("/metrics").text
        )
        return float(found[1]) if found else 0.0

    before = completed()
    begun = begin(hub)
    send(hub, begun, {"content": "a"}, {"completed": {}})
    assert completed() == before + 1


@pytest.mark.parametrize("parts", [5, "x", {}, ["x"], [{}, 1]])
def test_parts_of_content_that_are_no_objects_are_refused_and_nothing_is_stored(
    hub: Web, parts: object
) -> None:
    begun = begin(hub, prompt="Why?")
    answer = send(hub, begun, {"content": "a", "content_parts": parts})
    assert answer.status_code == 400
    assert answer.json()["field"] == "line 1.content_parts"
    assert content(hub, begun) == ""
