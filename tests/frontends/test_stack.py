"""`useChat`'s own transport and reader, and AG-UI's own agent, against the real stack."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.clients.client import NODE_MODULES, PROGRAMS, node
from tests.frontends.conftest import newest
from tests.support.deadline import eventually, patience
from tests.support.provider import Gate, Script
from tests.support.shared import Shared
from tests.support.stack import clean_environ

pytestmark = pytest.mark.slow

VERSIONS = (5, 6, 7)
QUESTION = [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "salt"}]}]

Say = Callable[..., dict[str, Any]]


def run(program: str, *arguments: str) -> dict[str, Any]:
    """What a program of Node's says at its end."""
    node()
    assert (NODE_MODULES / "ai5").exists(), "tests/clients/install has not been run"
    done = subprocess.run(
        [node(), str(PROGRAMS / program), *arguments],
        capture_output=True,
        text=True,
        timeout=60 * patience(),
        env=clean_environ(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def text_of(message: dict[str, Any]) -> str:
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


# ── the AI SDK ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", VERSIONS)
def test_the_sdk_reads_text_reasoning_tools_data_and_usage(shared: Shared, version: int) -> None:
    asked = requests.post(
        f"{shared.hub.url}/api/chat",
        json={"id": "c", "messages": QUESTION, "trigger": "submit-message", "model": "plain"},
        timeout=30,
    )
    assert asked.headers["x-vercel-ai-ui-message-stream"] == "v1"
    generation = newest(shared)
    assert f'"messageId":"{generation["id"]}"' in asked.text

    address = f"{shared.hub.url}/generations/{generation['id']}/events?format=ai-sdk&from=start"
    said = run("ai_sdk_url.mjs", str(version), address)

    message = said["message"]
    assert said["problems"] == []
    assert text_of(message) == "The sea is salty. 🌊"
    kinds = [part["type"] for part in message["parts"]]
    assert kinds.count("dynamic-tool") == 2
    assert {"reasoning", "data-progress", "data-source"} <= set(kinds)
    (progress,) = [part for part in message["parts"] if part["type"] == "data-progress"]
    assert progress["data"] == {"step": 2}
    assert message["metadata"]["usage"]["total_tokens"] == 7


@pytest.mark.parametrize("version", VERSIONS)
def test_a_chat_is_asked_watched_by_another_tab_and_resumed(shared: Shared, version: int) -> None:
    gate = Gate()
    shared.provider.scripts["salt"] = Script(text="Because of the rivers.", gate=gate)
    chat = f"a chat/{version}?#ü"  # an application's ids are its own
    assert run("ai_sdk.mjs", str(version), shared.hub.url, chat, "resume") == {"nothing": True}
    first = requests.post(
        f"{shared.hub.url}/api/chat",
        json={"id": chat, "messages": QUESTION},
        stream=True,
        timeout=30,
    )
    gate.release(2)
    first.close()  # the tab reloads in mid-answer: that stops nothing

    threads = _in_threads(
        3, lambda _: run("ai_sdk.mjs", str(version), shared.hub.url, chat, "resume")
    )
    eventually(lambda: newest(shared).get("listeners") == 3, 30)
    gate.open()

    for said in threads():
        assert said["types"][0] == "start"
        assert said["types"][-1] == "finish"
        assert text_of(said["message"]) == "Because of the rivers."
    assert len(shared.provider.requests) == 1
    assert run("ai_sdk.mjs", str(version), shared.hub.url, chat, "resume") == {"nothing": True}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stop_is_for_all_and_a_failure_is_an_error(shared: Shared, version: int) -> None:
    gate = Gate()
    shared.provider.scripts["salt"] = Script(text="Because of the rivers.", gate=gate)
    before = newest(shared).get("id")
    asking = _in_threads(
        1,
        lambda _: run(
            "ai_sdk.mjs", str(version), shared.hub.url, "stopped", "ask", json.dumps(QUESTION)
        ),
    )
    gate.release(2)
    eventually(lambda: newest(shared).get("id") != before, 30)
    generation = newest(shared)["id"]
    eventually(lambda: shared.hub.generation(generation)["choices"][0]["content"], 30)
    requests.post(f"{shared.hub.url}/api/chat/stopped/stop", timeout=10).raise_for_status()
    (said,) = asking()
    assert said["types"][-1] == "abort"
    assert shared.hub.generation(generation)["status"] == "cancelled"

    shared.provider.scripts["salt"] = Script(status=400, error={"error": {"message": "no salt"}})
    said = run("ai_sdk.mjs", str(version), shared.hub.url, "failed", "ask", json.dumps(QUESTION))
    assert said["types"][-1] == "error"
    assert any("no salt" in problem for problem in said["problems"])


def test_a_wrong_message_is_400_and_nothing_is_asked(shared: Shared) -> None:
    for body in (
        {"messages": QUESTION},
        {"id": "x"},
        {"id": "x", "messages": []},
        {"id": "x", "messages": [{"role": "user"}]},
        {"id": "x", "messages": QUESTION, "api_base": "http://elsewhere"} | {"tools": "x"},
    ):
        answer = shared.hub.post("/api/chat", json=body)
        assert answer.status_code == 400, body
        assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert shared.provider.requests == []


# ── AG-UI ────────────────────────────────────────────────────────────────────────────────────


def test_an_agent_runs_and_a_second_client_connects_to_its_thread(shared: Shared) -> None:
    gate = Gate()
    shared.provider.scripts["salt"] = Script(text="Because of the rivers.", gate=gate)
    running = _in_threads(1, lambda _: run("ag_ui.mjs", f"{shared.hub.url}/ag-ui", "t1", "salt"))
    gate.release(2)
    eventually(lambda: newest(shared).get("listeners") == 1, 30)
    connected = _in_threads(
        2, lambda _: run("ag_ui.mjs", f"{shared.hub.url}/ag-ui/connect", "t1", "salt")
    )
    eventually(lambda: newest(shared).get("listeners") == 3, 30)
    gate.open()

    for said in [*running(), *connected()]:
        assert (said["types"][0], said["types"][-1]) == ("RUN_STARTED", "RUN_FINISHED")
        assert said["messages"][-1]["content"] == "Because of the rivers."
        assert said["error"] is None
    assert len(shared.provider.requests) == 1


def test_an_agent_s_tools_are_the_model_s(shared: Shared) -> None:
    piece = {"index": 0, "id": "a", "type": "function"}
    piece["function"] = {"name": "look", "arguments": '{"at":"sea"}'}
    choice = {"index": 0, "delta": {"tool_calls": [piece]}, "finish_reason": None}
    end = {"index": 0, "delta": {}, "finish_reason": "tool_calls"}
    shared.provider.scripts["salt"] = Script(chunks=[{"choices": [choice]}, {"choices": [end]}])
    tool = {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}

    said = run("ag_ui.mjs", f"{shared.hub.url}/ag-ui", "t2", "salt", json.dumps([tool]))

    asked = shared.provider.requests[-1]["tools"][0]["function"]
    assert (asked["name"], asked["description"]) == ("look", "Looks.")
    (call,) = said["messages"][-1]["toolCalls"]
    assert call["function"] == {"name": "look", "arguments": '{"at":"sea"}'}


def test_an_agent_s_failure_is_a_run_error(shared: Shared) -> None:
    shared.provider.scripts["salt"] = Script(status=400, error={"error": {"message": "no salt"}})
    said = run("ag_ui.mjs", f"{shared.hub.url}/ag-ui", "t3", "salt")
    assert "no salt" in said["error"]["message"]
    assert said["types"][-1] == "RUN_ERROR"


def test_a_wrong_run_input_is_400(shared: Shared) -> None:
    whole = {"threadId": "t", "runId": "r", "messages": [{"role": "user", "content": "x"}]}
    for without in whole:
        body = {name: value for name, value in whole.items() if name != without}
        assert shared.hub.post("/ag-ui", json=body).status_code == 400, without
    assert shared.hub.post("/ag-ui/connect", json={"threadId": "nowhere"}).status_code == 404


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"role": "robot", "content": "x"}, "messages[1].role"),
        ({"role": "user", "content": 5}, "messages[1].content"),
        ({"role": "user"}, "messages[1].content"),
        ({"role": "user", "content": [{"type": "text"}]}, "messages[1].content[0].text"),
        ({"role": "user", "content": [{"type": "image"}]}, "messages[1].content[0]"),
        ({"role": "tool", "content": "x"}, "messages[1].toolCallId"),
        ({"role": "assistant", "toolCalls": {}}, "messages[1].toolCalls"),
        ({"role": "assistant", "toolCalls": [{}]}, "messages[1].toolCalls[0].function"),
        (
            {"role": "assistant", "toolCalls": [{"id": "a", "function": {"name": "x"}}]},
            "messages[1].toolCalls[0].function.arguments",
        ),
    ],
)
def test_what_is_wrong_with_a_run_input_is_named_as_the_protocol_names_it(
    shared: Shared, message: dict[str, Any], field: str
) -> None:
    """`context` becomes a message in front of the others: their numbers stay the client's."""
    body = {
        "threadId": "t",
        "runId": "r",
        "context": [{"description": "where", "value": "at sea"}],
        "messages": [{"role": "user", "content": "x"}, message],
    }
    answer = shared.hub.post("/ag-ui", json=body)
    assert answer.status_code == 400
    assert answer.json()["field"] == field
    del body["messages"][1]  # type: ignore[attr-defined]
    answer = shared.hub.post("/ag-ui", json={**body, "tools": [{"description": "x"}]})
    assert (answer.status_code, answer.json()["field"]) == (400, "tools[0].name")
    assert shared.provider.requests == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"temperature": "hot"}, "forwardedProps.temperature"),
        ({"metadata": {"a": {}}}, "forwardedProps.metadata.a"),
        ({"model": 7}, "forwardedProps.model"),
    ],
)
def test_what_is_wrong_with_a_parameter_is_named_where_it_stands(
    shared: Shared, given: dict[str, Any], field: str
) -> None:
    messages = [{"role": "user", "content": "x"}]
    body = {"threadId": "t", "runId": "r", "messages": messages, "forwardedProps": given}
    answer = shared.hub.post("/ag-ui", json=body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def _in_threads(
    count: int, work: Callable[[int], dict[str, Any]]
) -> Callable[[], list[dict[str, Any]]]:
    """Start `work` so often; the function that waits for all and returns what they said."""
    pool = ThreadPoolExecutor(count)
    futures = [pool.submit(work, number) for number in range(count)]

    def done() -> list[dict[str, Any]]:
        pool.shutdown()
        return [future.result() for future in futures]

    return done
