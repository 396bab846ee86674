"""Against `@copilotkit/aimock`, another provider that nobody here wrote, paced and broken."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from hub.settings import Settings
from tests.provider.reading import join
from tests.support.deadline import answers
from tests.support.process import Process, ReservedPort
from tests.support.real import ROOT, missing, node_binary
from workers.provider import ModelRequest, ProviderConfig, ProviderFailure, Providers

pytestmark = pytest.mark.slow

TEXT = "Ünï©ödé 🙂 text,\n\n  indented, data: x\n" * 20
LONG = {"content": TEXT}


def fixture(prompt: str, response: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"match": {"userMessage": prompt}, "response": response, **options}


FIXTURES = [
    fixture("say it paced", LONG, streamingProfile={"ttft": 50, "tps": 400, "jitter": 0.3}),
    fixture("say it cut", LONG, latency=20, truncateAfterChunks=3),
    fixture("say it dropped", LONG, latency=20, disconnectAfterMs=100),
    fixture("say it after thinking", {"content": "Yes.", "reasoning": "Let me see…"}),
    fixture("use a tool", {"toolCalls": [{"name": "f", "arguments": {"city": "Köln"}}]}),
    fixture(
        "use it and say it",
        {
            "blocks": [
                {"type": "toolCall", "name": "f", "arguments": {"a": 1}},
                {"type": "toolCall", "name": "g", "arguments": {"b": 2}},
                {"type": "text", "text": "Both."},
            ]
        },
    ),
    fixture(
        "be busy",
        {"error": {"message": "Too many of you", "type": "rate_limit_error"}, "status": 429},
    ),
    fixture("be filtered", {"content": "Half a", "finishReason": "content_filter"}),
    fixture("say it", LONG),
]


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    package = "aimock/node_modules/@copilotkit/aimock/dist/cli.js"
    places = [Path(sys.prefix, package), ROOT / ".venv" / package]
    program = next((place for place in places if place.exists()), None)
    if program is None:
        missing("aimock (tests/provider/install)")
    directory = tmp_path_factory.mktemp("aimock")
    fixtures = directory / "fixtures.json"
    fixtures.write_text(json.dumps({"fixtures": FIXTURES}))
    port = ReservedPort()
    command = [node_binary(), str(program), "-p", str(port.number), "-f", str(fixtures)]
    process = Process("aimock", command, directory / "log").start()
    url = f"http://127.0.0.1:{port.number}"
    try:
        answers(lambda: requests.get(f"{url}/v1/models", timeout=5).raise_for_status(), 30)
        yield f"{url}/v1"
    except AssertionError as error:
        raise AssertionError(process.log()) from error
    finally:
        process.end()
        port.close()


def ask(base_url: str, prompt: str) -> Any:
    config = ProviderConfig("aimock", base_url, "a-key-of-the-tests")
    providers = Providers([config], Settings(), wait=lambda closing, seconds: None)
    request = ModelRequest(messages=[{"role": "user", "content": prompt}], model="gpt-4o")
    with providers.open(request) as stream:
        return join(stream)


def failure_of(base_url: str, prompt: str) -> ProviderFailure:
    with pytest.raises(ProviderFailure) as caught:
        ask(base_url, prompt)
    return caught.value


@pytest.mark.parametrize("prompt", ["say it", "say it paced"])
def test_an_answer_is_read_whole_at_any_pace(base_url: str, prompt: str) -> None:
    answer = ask(base_url, prompt)
    assert (answer.text, answer.finish) == (TEXT, "stop")
    assert answer.usage is not None


def test_reasoning_is_told_apart(base_url: str) -> None:
    answer = ask(base_url, "say it after thinking")
    assert (answer.choices[0].reasoning, answer.text) == ("Let me see…", "Yes.")


def test_a_tool_call_is_read_whole(base_url: str) -> None:
    answer = ask(base_url, "use a tool")
    (call,) = answer.choices[0].tool_calls
    assert (call["name"], json.loads(call["arguments"])) == ("f", {"city": "Köln"})
    assert answer.finish == "tool_calls"


def test_tool_calls_before_the_text_are_read_in_their_places(base_url: str) -> None:
    answer = ask(base_url, "use it and say it")
    assert [call["name"] for call in answer.choices[0].tool_calls] == ["f", "g"]
    assert answer.text == "Both."


@pytest.mark.parametrize("prompt", ["say it cut", "say it dropped"])
def test_an_answer_cut_off_is_reported(base_url: str, prompt: str) -> None:
    assert failure_of(base_url, prompt).code == "provider-truncated"


def test_a_rate_limit_is_reported_in_its_words(base_url: str) -> None:
    failure = failure_of(base_url, "be busy")
    assert failure.code == "provider-rate-limited"
    assert "Too many of you" in failure.detail


def test_a_content_filter_is_a_finish_reason(base_url: str) -> None:
    answer = ask(base_url, "be filtered")
    assert (answer.text, answer.finish) == ("Half a", "content_filter")


def test_a_prompt_it_does_not_know_is_reported(base_url: str) -> None:
    assert failure_of(base_url, "anything else").code in (
        "provider-refused",
        "provider-unavailable",
    )
