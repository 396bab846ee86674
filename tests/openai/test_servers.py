"""What twelve kinds of servers and an odd one say, member by member, on every face that it comes
out of."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.openai.servers import CITATION, DONE, SERVERS, Server, chunk
from tests.support.provider import Gate, Script, ScriptedProvider
from tests.support.stack import Stack
from tests.support.stream import EventStream
from workers.openai.responses_items import flat_annotation
from workers.openai.responses_output import Output
from workers.provider.joining import Joined, JoinedCall
from workers.provider.members import (
    CALL,
    CHOICE,
    COMPLETION,
    CONTENT,
    DELTA,
    UNDERSTOOD,
    Place,
    known,
    unflat,
)

ASKED = {"messages": [{"role": "user", "content": "q"}]}
servers = pytest.mark.parametrize("server", SERVERS, ids=str)


class Told:
    """What a face has told, added up: by place, as a client would do it from the docs."""

    def __init__(self) -> None:
        self.content = ""
        self.reasoning = ""
        self.finish: str | None = None
        self.usage: Any = None
        self.calls: dict[int, JoinedCall] = {}
        self.carried = Joined()
        self.parts: list[Any] = []

    def add(self, choice: dict[str, Any], around: dict[str, Any]) -> None:
        """One `chat.completion.chunk`'s choice, or a whole answer's."""
        delta = choice["delta"] if "delta" in choice else choice["message"]
        content = delta.get("content")
        if isinstance(content, list):
            self.parts += content
        else:
            self.content += content or ""
        self.reasoning += delta.get("reasoning_content") or ""
        self._add_calls(delta)
        self.finish = choice.get("finish_reason") or self.finish
        said: list[tuple[Place, dict[str, Any]]]
        said = [(DELTA, delta), (CHOICE, choice), (COMPLETION, around)]
        for place, members in said:
            for name, value in members.items():
                if name not in known(place):
                    self.carried.add(place, name, value)

    def add_event(self, data: dict[str, Any]) -> None:
        """A `delta` event, or a choice of a snapshot or a record."""
        self.content += data.get("content", "")
        self.reasoning += data.get("reasoning", "")
        self._add_calls(data)
        for (place, name), value in unflat(data).items():
            if place == CONTENT:
                self.parts += value
            else:
                self.carried.add(place, name, value)

    def _add_calls(self, said: dict[str, Any]) -> None:
        pieces = said.get("tool_calls") or []
        indexes = [piece.get("index", n) for n, piece in enumerate(pieces)]
        assert len(set(indexes)) == len(indexes), "an index stands in one event twice"
        for index, piece in zip(indexes, pieces, strict=True):
            self.calls.setdefault(index, JoinedCall(index)).add({**piece, "index": index})

    def of(self, place: Place) -> dict[str, Any]:
        return {name: value for (_, name), value in self.carried.to_json(place).items()}


def check(told: Told, server: Server, *, text_in_parts: bool = False) -> None:
    assert told.of(COMPLETION) == server.completion
    assert told.of(CHOICE) == server.choice
    assert told.of(DELTA) == server.delta
    # A stream has the texts where they came.
    wanted = [part for part in server.parts if text_in_parts or part["type"] != "text"]
    assert told.parts == wanted
    assert [told.calls[index].to_json() for index in sorted(told.calls)] == server.calls
    assert told.reasoning == server.reasoning
    if not (text_in_parts and server.parts):
        assert told.content == server.content


@servers
def test_everything_arrives_on_every_face_of_one_generation(
    hub: Stack, provider: ScriptedProvider, server: Server
) -> None:
    provider.default = Script(chunks=server.chunks)
    whole = hub.post("/v1/chat/completions", json=ASKED)
    generation_id = whole.headers["Hubbub-Generation"]

    answer = whole.json()
    told = Told()
    told.add(answer["choices"][0], {n: v for n, v in answer.items() if n != "choices"})
    check(told, server, text_in_parts=True)
    assert (answer["usage"], told.finish) == (server.usage, server.finish)

    _check_events(hub, generation_id, server)
    _check_snapshot(hub, generation_id, server)
    _check_chunks(hub, f"/generations/{generation_id}/events?format=openai&from=start", server)
    _check_chunks(hub, f"/generations/{generation_id}/events?format=openai", server, late=True)
    _check_record(hub, generation_id, server)
    _check_response(hub, generation_id, server)


def _check_events(hub: Stack, generation_id: str, server: Server) -> None:
    told = Told()
    with EventStream(f"{hub.url}/generations/{generation_id}/events?from=start") as stream:
        for event in stream.to_end():
            data = json.loads(event.data)
            if event.event == "delta":
                told.add_event(data)
            elif event.event == "completed":
                assert data["usage"] == server.usage
    check(told, server)


def _check_snapshot(hub: Stack, generation_id: str, server: Server) -> None:
    with EventStream(f"{hub.url}/generations/{generation_id}/events") as stream:
        (snapshot,) = [e for e in stream.to_end() if e.event == "snapshot"]
    data = json.loads(snapshot.data)
    _check_whole(data, server)


def _check_record(hub: Stack, generation_id: str, server: Server) -> None:
    record = hub.get(f"/generations/{generation_id}").json()
    _check_whole(record, server)
    assert record["usage"] == server.usage
    assert record["choices"][0]["finish_reason"] == server.finish


def _check_whole(data: dict[str, Any], server: Server) -> None:
    told = Told()
    (choice,) = data["choices"]
    told.add_event({name: value for name, value in choice.items() if name != "finish_reason"})
    for name in server.completion:
        told.carried.add(COMPLETION, name, data[name])
    check(told, server, text_in_parts=True)


def _check_chunks(hub: Stack, path: str, server: Server, *, late: bool = False) -> None:
    """`late`: what has come before is one chunk, so the parts of the content have their texts."""
    told = Told()
    with EventStream(f"{hub.url}{path}") as stream:
        for event in stream.to_end():
            if event.data == "[DONE]":
                continue
            chunk = json.loads(event.data)
            told.usage = chunk.get("usage") or told.usage
            around = {name: value for name, value in chunk.items() if name != "choices"}
            for choice in chunk["choices"]:
                told.add(choice, around)
    check(told, server, text_in_parts=late)
    assert (told.usage, told.finish) == (server.usage, server.finish)


def _check_response(hub: Stack, generation_id: str, server: Server) -> None:
    response = hub.get(f"/v1/responses/resp_{generation_id}").json()
    for name, value in {**server.completion, **server.choice}.items():
        if name == "provider_specific_fields":
            continue  # two places say it, and a response has one
        assert response[name] == value
    items = {item["type"]: item for item in response["output"]}
    for name, value in server.delta.items():
        if name == "annotations":
            text = items["message"]["content"][0]
            assert text["annotations"] == [flat_annotation(one) for one in value]
        else:
            home = "reasoning" if name in ("reasoning_details", "thinking_blocks") else "message"
            # Said before there was a message, it is the whole response's.
            item = items[home]
            assert item.get(f"delta.{name}", item.get(name, response.get(name))) == value
    if server.parts:
        kinds = [part["type"] for part in items["message"]["content"]]
        assert kinds == ["output_text", "reference", "output_text"]
    calls = [item for item in response["output"] if item["type"].endswith("_call")]
    for found, call in zip(calls, server.calls, strict=True):
        called = call.get(call["type"], {})
        assert (found["call_id"], found["name"]) == (call["id"], called.get("name", ""))
        assert called.get("input", called.get("arguments", "")) == found.get(
            "input", found.get("arguments")
        )
        for name in call.keys() - UNDERSTOOD[CALL]:
            assert found.get(f"call.{name}", found[name]) == call[name]
    if server.reasoning:
        assert items["reasoning"]["content"][0]["text"] == server.reasoning
        assert items["reasoning"]["summary"][0]["text"] == server.reasoning
    cached = server.usage.get("prompt_tokens_details", {}).get("cached_tokens")
    assert response["usage"]["input_tokens_details"]["cached_tokens"] == cached


@servers
def test_a_client_s_own_stream_brings_it_too(
    hub: Stack, provider: ScriptedProvider, server: Server
) -> None:
    provider.default = Script(chunks=server.chunks)
    told = Told()
    body = {**ASKED, "stream": True, "stream_options": {"include_usage": True}}
    answer = hub.post("/v1/chat/completions", json=body)
    lines = [line for line in answer.content.decode().split("\n") if line.startswith("data: {")]
    for line in lines:
        chunk = json.loads(line.removeprefix("data: "))
        around = {name: value for name, value in chunk.items() if name != "choices"}
        for choice in chunk["choices"]:
            told.add(choice, around)
    check(told, server)
    assert json.loads(lines[-1].removeprefix("data: "))["usage"] == server.usage


@servers
def test_the_next_turn_s_request_brings_back_what_the_provider_said(
    hub: Stack, provider: ScriptedProvider, server: Server
) -> None:
    provider.scripts["q"] = Script(chunks=server.chunks)
    first = hub.post("/v1/responses", json={"input": "q"}).json()
    message = hub.post("/v1/chat/completions", json=ASKED).json()["choices"][0]["message"]
    then = {"role": "user", "content": "and then?"}

    hub.post("/v1/chat/completions", json={"messages": [*ASKED["messages"], message, then]})
    assert provider.requests[-1]["messages"][1] == message

    body = {"previous_response_id": first["id"], "input": "and then?"}
    assert hub.post("/v1/responses", json=body).status_code == 200
    sent = provider.requests[-1]["messages"][1]
    for name, value in server.delta.items():
        if name == "audio":
            assert sent[name] == {"id": value["id"]}, "audio is referred to, not sent again"
        else:
            assert sent[name] == value
    assert sent["content"] == (server.parts or server.content or None)
    assert sent.get("tool_calls", []) == server.calls


@servers
def test_a_response_s_items_sent_again_bring_it_back_too(
    hub: Stack, provider: ScriptedProvider, server: Server
) -> None:
    provider.default = Script(chunks=server.chunks)
    question = {"role": "user", "content": "q"}
    response = hub.post("/v1/responses", json={"input": [question]}).json()

    body = {"input": [question, *response["output"], question]}
    second = hub.post("/v1/responses", json=body).json()

    listed = hub.get(f"/v1/responses/{second['id']}/input_items?order=asc&limit=100").json()
    assert _annotations(listed["data"]) == _annotations(response["output"])
    said: dict[str, Any] = {}
    for message in provider.requests[-1]["messages"][1:-1]:
        said |= {name: value for name, value in message.items() if value is not None}
    for name, value in server.delta.items():
        if name not in response:  # what is the whole response's is in none of its items
            assert said[name] == value
    assert said.get("tool_calls", []) == server.calls
    assert said.get("reasoning_content", "") == (server.reasoning if server.calls else "")


def _annotations(items: list[dict[str, Any]]) -> list[Any]:
    messages = [item["content"] for item in items if item["type"] == "message"]
    return [one for content in messages for part in content for one in part.get("annotations", ())]


def test_annotations_without_a_text_are_said_of_the_message(
    hub: Stack, provider: ScriptedProvider
) -> None:
    delta = {"refusal": "I may not quote it.", "annotations": [CITATION]}
    provider.default = Script(chunks=[chunk(delta), chunk({}, "stop"), DONE])
    response = hub.post("/v1/responses", json={"input": "q"}).json()

    [message] = response["output"]
    assert message["annotations"] == [CITATION]
    hub.post("/v1/responses", json={"input": [message, {"role": "user", "content": "and?"}]})
    assert provider.requests[-1]["messages"][0]["annotations"] == [CITATION]


@servers
def test_a_tab_that_comes_in_the_middle_and_pieces_under_load_say_the_same(
    hub: Stack, provider: ScriptedProvider, server: Server
) -> None:
    gate = Gate()
    provider.default = Script(chunks=server.chunks, gate=gate)
    generation_id = hub.generate("q")
    gate.release(4)
    told = Told()
    with EventStream(f"{hub.url}/generations/{generation_id}/events?format=openai") as stream:
        gate.open()
        for event in stream.to_end():
            if event.data != "[DONE]":
                chunk = json.loads(event.data)
                around = {name: value for name, value in chunk.items() if name != "choices"}
                for choice in chunk["choices"]:
                    told.add(choice, around)
    assert told.of(COMPLETION) == server.completion
    assert told.of(CHOICE) == server.choice
    assert [told.calls[index].to_json() for index in sorted(told.calls)] == server.calls


def test_ten_thousand_annotations_are_told_in_linear_time() -> None:
    """Counting those before at each would take minutes here."""
    output, count = Output("g").add({"index": 0, "content": "x"})[0], 0
    for number in range(10_000):
        output, said = output.add({"index": 0, "annotations": [{"type": "x", "n": number}]})
        assert said[0][1]["annotation_index"] == number
        count += len(said)
    (message,) = output.to_json()
    assert len(message["content"][0]["annotations"]) == count == 10_000
