"""A failure is seen: by its status before the answer begins, by the bare error object behind it."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
import requests
from openai import OpenAI

from tests.openai.test_chat import MODEL, chunk, messages, newest, piece
from tests.support.provider import Gate, Script, ScriptedProvider
from tests.support.stack import Stack

FACES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": messages("q")},
    "/v1/responses": {"input": "q"},
}
faces = pytest.mark.parametrize("path", FACES)
streamed = pytest.mark.parametrize("stream", [False, True])

SAID = [
    (400, "invalid_request_error", "messages", "context_length_exceeded"),
    (400, "invalid_request_error", "temperature", "unsupported_value"),
    (400, "invalid_request_error", "prompt", "content_filter"),
    (404, "invalid_request_error", "model", "model_not_found"),
    (413, "invalid_request_error", None, "request_too_large"),
    (422, "invalid_request_error", "n", "unprocessable"),
    (429, "insufficient_quota", None, "insufficient_quota"),
]


def ask(hub: Stack, path: str, *, stream: bool) -> requests.Response:
    body = {**FACES[path], "model": MODEL, "stream": stream}
    answer: requests.Response = hub.post(path, json=body)
    return answer


@streamed
@faces
@pytest.mark.parametrize(("status", "kind", "param", "code"), SAID, ids=lambda value: str(value))
def test_a_refusal_before_the_answer_has_the_provider_s_status_words_code_and_param(
    hub: Stack,
    provider: ScriptedProvider,
    path: str,
    stream: bool,
    status: int,
    kind: str,
    param: str | None,
    code: str,
) -> None:
    said = {"message": f"because {code}", "type": kind, "param": param, "code": code}
    provider.default = Script(status=status, error={"error": {**said, "innererror": {"a": 1}}})

    answer = ask(hub, path, stream=stream)

    assert answer.status_code == status
    assert answer.json() == {"error": {**said, "innererror": {"a": 1}}}
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["Content-Type"] == "application/json"
    found = hub.finished(answer.headers["Hubbub-Generation"])
    assert found["error"].keys() >= {"code", "message", "retryable"}
    assert found["error"]["provider"]["status"] == status


@streamed
@faces
def test_a_long_wait_is_passed_on_and_not_worth_another_try(
    hub: Stack, provider: ScriptedProvider, path: str, stream: bool
) -> None:
    error = {"error": {"message": "slow down", "code": "rate_limit_exceeded", "type": "requests"}}
    provider.default = Script(status=429, error=error, headers={"Retry-After": "90"})

    answer = ask(hub, path, stream=stream)

    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"
    assert (answer.headers["Retry-After"], answer.headers["retry-after-ms"]) == ("90", "90000")
    assert answer.headers["x-should-retry"] == "false"
    assert len(provider.requests) == 1


@streamed
@faces
@pytest.mark.parametrize("status", [401, 403])
def test_the_hub_s_own_key_refused_is_not_the_caller_s_fault(
    hub: Stack, provider: ScriptedProvider, path: str, stream: bool, status: int
) -> None:
    error = {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}
    provider.default = Script(status=status, error=error)

    answer = ask(hub, path, stream=stream)

    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "provider-auth"
    assert answer.headers["x-should-retry"] == "false"


def test_an_error_that_is_the_first_of_a_stream_is_a_status_too(
    hub: Stack, provider: ScriptedProvider
) -> None:
    error = {"message": "too long", "type": "invalid_request_error", "param": "messages"}
    error["code"] = "context_length_exceeded"
    provider.default = Script(chunks=[{"error": error}])

    answer = ask(hub, "/v1/chat/completions", stream=True)

    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_an_error_in_mid_stream_is_the_bare_error_object(
    hub: Stack, client: OpenAI, provider: ScriptedProvider
) -> None:
    error = {"message": "boom", "type": "server_error", "param": None, "code": "overloaded"}
    provider.default = Script(chunks=[chunk(piece(0, content="so far")), {"error": error}])

    answer = ask(hub, "/v1/chat/completions", stream=True)
    with pytest.raises(openai.APIError, match="boom"):
        list(client.chat.completions.create(model=MODEL, messages=messages("q"), stream=True))

    lines = [line[6:] for line in answer.text.split("\n") if line.startswith("data: ")]
    assert answer.status_code == 200
    assert json.loads(lines[0])["choices"][0]["delta"]["content"] == "so far"
    assert json.loads(lines[1]) == {"error": error}
    assert lines[2:] == ["[DONE]"]


def test_an_error_in_mid_stream_ends_a_response_as_failed_and_then_raises(
    hub: Stack, client: OpenAI, provider: ScriptedProvider
) -> None:
    error = {"message": "boom", "type": "server_error", "param": None, "code": "overloaded"}
    provider.default = Script(chunks=[chunk(piece(0, content="so far")), {"error": error}])

    with pytest.raises(openai.APIError, match="boom"):
        list(client.responses.create(model=MODEL, input="q", stream=True))
    with client.responses.create(model=MODEL, input="q", stream=True) as stream:
        last: Any = next(event for event in stream if event.type == "response.failed")
    answer = ask(hub, "/v1/responses", stream=True)

    assert (last.response.error.code, last.response.error.message) == ("overloaded", "boom")
    assert last.response.output_text == "so far"
    event, data = answer.text.rstrip().split("\n\n")[-1].split("\n")
    number = last.sequence_number + 1
    words = {"code": "overloaded", "message": "boom", "param": None}
    assert event == "event: error"
    told = {"type": "error", "sequence_number": number, "error": error, **words}
    assert json.loads(data[6:]) == told


def test_a_stream_begins_with_its_first_delta_and_not_with_its_end(
    hub: Stack, provider: ScriptedProvider
) -> None:
    gate = Gate()
    provider.default = Script(text="some text", gate=gate)
    gate.release(1)
    body = {**FACES["/v1/chat/completions"], "stream": True}
    url = f"{hub.url}/v1/chat/completions"
    with requests.post(url, json=body, stream=True, timeout=20) as answer:
        assert answer.status_code == 200
        gate.open()
        assert b"[DONE]" in answer.content


@pytest.mark.slow
def test_a_model_that_thinks_for_long_gets_its_stream_after_ten_seconds(
    hub: Stack, provider: ScriptedProvider
) -> None:
    gate = Gate()
    provider.default = Script(text="some text", gate=gate)
    body = {**FACES["/v1/chat/completions"], "stream": True}
    url = f"{hub.url}/v1/chat/completions"
    with requests.post(url, json=body, stream=True, timeout=20) as answer:
        assert 9 < answer.elapsed.total_seconds() < 15
        gate.open()
        assert b"[DONE]" in answer.content


@faces
def test_a_model_that_no_provider_serves_is_not_found(
    hub: Stack, provider: ScriptedProvider, path: str
) -> None:
    said = {"message": "no such model", "type": "invalid_request_error"}
    provider.default = Script(status=404, error={"error": {**said, "code": "model_not_found"}})
    answer = ask(hub, path, stream=True)
    assert answer.status_code == 404
    assert newest(hub)["status"] == "failed"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/nothing"), ("POST", "/v1/images/generations"), ("GET", "/v1/files/x/content")],
)
def test_any_other_path_is_404_in_openai_s_shape(hub: Stack, method: str, path: str) -> None:
    answer = requests.request(method, f"{hub.url}{path}", json={}, timeout=10)
    assert answer.status_code == 404
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
