"""examples/tool_agent.py: an agent of pydantic-ai, with tools, as a model of the hub."""

from __future__ import annotations

import json
import sysconfig
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.client import askers_python
from tests.clients.test_askers import call, chunk
from tests.conftest import StartStack
from tests.support.provider import Script, ScriptedProvider
from tests.support.real import ROOT
from tests.support.stack import LocalModel, Stack, Worker
from tests.support.stream import EventStream

pytestmark = pytest.mark.slow

Listen = Callable[..., EventStream]


def with_agent(hub: Stack, **env: str) -> Stack:
    """Let a worker that has pydantic-ai join, as a user's own environment would."""
    paths = f"{sysconfig.get_path('purelib')}:{ROOT}"
    worker = Worker(
        hub.directory / "agent.log",
        {
            **hub.env,
            "HUB_GENERATORS": "agent=examples.tool_agent:answer",
            "PYTHONPATH": paths,
            **env,
        },
    )
    worker.command[0] = askers_python()
    hub.workers.append(worker)
    worker.start()
    hub.until_ready()
    return hub


@pytest.fixture
def hub(stack: StartStack, provider: ScriptedProvider) -> Stack:
    return with_agent(stack(workers=0), OPENAI_BASE_URL=provider.base_url)


def look_up(term: str) -> Script:
    asked = [call(0, "", id="call_1", name="look_up"), call(0, json.dumps({"term": term}))]
    chunks = [chunk(tool_calls=[one]) for one in asked]
    return Script(chunks=[*chunks, chunk("tool_calls"), "[DONE]"])


def test_its_tools_its_sources_and_its_words_reach_an_early_and_a_late_listener(
    hub: Stack, provider: ScriptedProvider, listen: Listen
) -> None:
    provider.scripts["What is SSE?"] = look_up("SSE")
    provider.default = Script("It is one response that stays open.")
    one = hub.generate("What is SSE?", model="agent")
    early = listen(f"{hub.url}/generations/{one}/events", query={"from": "start"})
    early.next("completed", within_seconds=60)
    told = [json.loads(event.data) for event in early.events if event.event == "data"]
    assert [part["data"].get("state") for part in told] == ["running", "done", None]
    assert told[0]["data"]["asked"] == {"term": "SSE"}
    assert told[0]["id"] == told[1]["id"] == "call_1"
    assert told[2]["name"] == "source"

    record = hub.finished(one)
    assert record["choices"][0]["content"] == "It is one response that stays open."
    assert [part["name"] for part in record["data"]] == ["tool", "source"]
    assert record["usage"]["completion_tokens"] > 0
    late = listen(f"{hub.url}/generations/{one}/events", query={"from": "snapshot"})
    assert json.loads(late.next("snapshot").data)["data"] == record["data"]
    assert provider.requests[-1]["messages"][-1]["role"] == "tool"


def test_a_conversation_goes_on(hub: Stack, provider: ScriptedProvider) -> None:
    messages = [
        {"role": "user", "content": "I am Ada."},
        {"role": "assistant", "content": "Hello, Ada."},
        {"role": "user", "content": "Who am I?"},
    ]
    provider.default = Script("Ada.")
    answer = hub.post("/v1/chat/completions", json={"model": "agent", "messages": messages}).json()
    assert answer["choices"][0]["message"]["content"] == "Ada."
    sent: list[Any] = [
        (message["role"], message["content"]) for message in provider.requests[-1]["messages"]
    ]
    assert sent[-3:] == [(message["role"], message["content"]) for message in messages]


@pytest.mark.model
def test_it_answers_by_the_bundled_model(stack: StartStack, local_model: LocalModel) -> None:
    hub = with_agent(stack(workers=0), OPENAI_BASE_URL=local_model.base_url)
    one = hub.generate("Say hello.", model="agent")
    record = hub.finished(one, within_seconds=120)
    assert record["status"] == "completed", record["error"]
    assert record["choices"][0]["content"].strip()
