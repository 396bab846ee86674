"""Against `llmock`, a provider that nobody here wrote: it breaks answers, and judges who asked.

Its verdict must be clean wherever a retry is possible. A fault after the first content cannot be
retried without taking back what readers have seen, and there llmock, which sees only requests,
cannot tell a failure that was reported from one that was swallowed: those are asserted here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from hub.settings import Settings
from tests.provider.conftest import QUESTION
from tests.provider.reading import Read, join
from tests.support.deadline import answers
from tests.support.process import Process, ReservedPort
from tests.support.real import ROOT, missing
from workers.provider import ModelRequest, ProviderFailure, Providers, Stream

pytestmark = pytest.mark.slow

SETTINGS = Settings(
    openai_api_key="a-key-of-the-tests",
    first_delta_timeout_seconds=0.5,
    stall_timeout_seconds=0.5,
)


class LLMock:
    def __init__(self, url: str) -> None:
        self.url = url

    def begin(self, *behaviors: dict[str, Any]) -> None:
        """Forget what was, and do this from now on."""
        requests.post(f"{self.url}/_llmock/reset", timeout=5).raise_for_status()
        if behaviors:
            scenario = {"behaviors": list(behaviors)}
            requests.post(
                f"{self.url}/_llmock/scenario", json=scenario, timeout=5
            ).raise_for_status()

    def open(self, request: ModelRequest = QUESTION, path: str = "/v1") -> Stream:
        settings = replace(SETTINGS, openai_base_url=self.url + path)
        return Providers.from_settings(settings, {}).open(request)

    def assert_clean(self) -> None:
        """No finding at all, not even a warning."""
        verdict = requests.get(f"{self.url}/_llmock/verdict", timeout=5).json()
        assert verdict["findings"] == []
        assert verdict["calls"] == 1

    def text(self) -> str:
        """What it answers when it does not stream, which is what a stream must add up to."""
        body = {"model": QUESTION.model, "messages": list(QUESTION.messages)}
        answer = requests.post(f"{self.url}/v1/chat/completions", json=body, timeout=5).json()
        return str(answer["choices"][0]["message"]["content"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LLMock]:
    places = [Path(sys.prefix, "llmock/bin/llmock"), ROOT / ".venv/llmock/bin/llmock"]
    program = next((place for place in places if place.exists()), None)
    if program is None:
        missing("llmock (tests/provider/install)")
    port = ReservedPort()
    # At a model's pace: of an answer that it has written whole before its reader could hang up, it
    # says that nobody did.
    options = ["--log-level", "warning", "--stream-chunk-delay-ms", "20"]
    command = [str(program), "serve", "--port", str(port.number), *options]
    process = Process("llmock", command, tmp_path_factory.mktemp("llmock") / "log").start()
    url = f"http://127.0.0.1:{port.number}"
    try:
        answers(lambda: requests.get(f"{url}/health", timeout=5).raise_for_status(), 30)
        yield LLMock(url)
    finally:
        process.end()
        port.close()


def read(stream: Stream) -> Read:
    with stream:
        return join(stream)


def failure_of(stream: Stream) -> str:
    with pytest.raises(ProviderFailure) as caught:
        read(stream)
    return caught.value.code


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/groq/openai/v1",
        "/mistral/v1",
        "/together/v1",
        "/perplexity/v1",
        "/ai21/v1",
        "/xai/v1",
    ],
)
def test_each_provider_s_answer_is_read_whole(server: LLMock, path: str) -> None:
    text = server.text()
    server.begin()
    answer = read(server.open(path=path))
    assert (answer.text, answer.finish) == (text, "stop")
    assert answer.usage is not None
    server.assert_clean()


def test_several_choices_are_each_read_whole(server: LLMock) -> None:
    text = server.text()
    server.begin()
    answer = read(server.open(replace(QUESTION, n=3)))
    assert [choice.content for choice in answer.choices.values()] == [text] * 3


def test_a_tool_call_is_read_whole(server: LLMock) -> None:
    server.begin({"type": "reply", "tool_calls": [{"name": "f", "arguments": {"city": "Köln"}}]})
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    answer = read(server.open(replace(QUESTION, tools=[tool])))
    (call,) = answer.choices[0].tool_calls
    assert (call["name"], answer.finish) == ("f", "tool_calls")
    assert "Köln" in call["arguments"] or "K\\u00f6ln" in call["arguments"]


@pytest.mark.parametrize(
    ("behavior", "tries"),
    [
        ({"type": "fail", "status": 429, "retry_after": 0.6, "times": 2}, 3),
        ({"type": "fail", "status": 503, "times": 3}, 4),
        ({"type": "fail", "status": 500, "retry_after": 0.1}, 2),
        ({"type": "stream_fault", "kind": "truncate", "after_chunks": 1}, 2),
        ({"type": "stream_fault", "kind": "disconnect", "after_chunks": 1}, 2),
        ({"type": "stream_fault", "kind": "disconnect", "after_chunks": 0}, 2),
        ({"type": "stream_fault", "kind": "malformed", "after_chunks": 1}, 2),
    ],
)
def test_a_fault_before_the_first_content_is_retried_to_its_satisfaction(
    server: LLMock, behavior: dict[str, Any], tries: int
) -> None:
    text = server.text()
    server.begin(behavior)
    stream = server.open()
    assert read(stream).text == text
    assert stream.tries == tries
    server.assert_clean()


@pytest.mark.parametrize(
    ("behavior", "code"),
    [
        ({"type": "fail", "status": 503, "times": None}, "provider-unavailable"),
        ({"type": "fail", "status": 401}, "provider-auth"),
        ({"type": "fail", "status": 403}, "provider-auth"),
        ({"type": "fail", "status": 404}, "provider-refused"),
        ({"type": "fail", "status": 422}, "provider-refused"),
        (
            {"type": "fail", "status": 400, "code": "context_length_exceeded"},
            "context-too-long",
        ),
        ({"type": "slow_first_token", "seconds": 3}, "first-delta-timeout"),
        ({"type": "stream_fault", "kind": "stall", "after_chunks": 1}, "first-delta-timeout"),
        ({"type": "stream_fault", "kind": "stall", "after_chunks": 3}, "stall-timeout"),
    ],
)
def test_a_failure_is_reported_by_its_code_to_its_satisfaction(
    server: LLMock, behavior: dict[str, Any], code: str
) -> None:
    server.begin(behavior)
    assert failure_of(server.open()) == code
    server.assert_clean()


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("truncate", "provider-truncated"),
        ("disconnect", "provider-truncated"),
        ("malformed", "provider-malformed"),
    ],
)
def test_a_fault_after_the_first_content_is_reported_and_never_retried(
    server: LLMock, kind: str, code: str
) -> None:
    server.begin({"type": "stream_fault", "kind": kind, "after_chunks": 3})
    stream = server.open()
    assert failure_of(stream) == code
    assert stream.tries == 1


def test_a_wait_longer_than_a_reader_s_patience_is_reported_instead(server: LLMock) -> None:
    server.begin({"type": "fail", "status": 429, "retry_after": 90})
    assert failure_of(server.open()) == "provider-rate-limited"
