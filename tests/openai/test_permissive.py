"""As permissive as OpenAI, and as strict as a gate where another's money would be spent (§5)."""

from __future__ import annotations

import threading
from typing import Any

import openai
import pytest
import requests
from openai import OpenAI

from tests.conftest import StartStack
from tests.openai.test_chat import MODEL, chunk, messages, newest, newest_id, piece
from tests.support.deadline import eventually
from tests.support.provider import Gate, Script, ScriptedProvider, text_for
from tests.support.shared import Shared
from tests.support.stack import Stack, Web

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USER = {"role": "user", "content": "q"}


def sent(hub: Stack, asked: ScriptedProvider, path: str, **body: Any) -> dict[str, Any]:
    """What the provider was asked."""
    answer = hub.post(path, json={"model": MODEL, **body})
    assert answer.status_code == 200, answer.text
    return asked.requests[-1]


@pytest.mark.parametrize(
    ("asked", "passed"),
    [
        ({"n": 1.0}, {}),
        ({"n": 20}, {"n": 20}),
        ({"n": None, "stop": None, "tools": None, "seed": None, "stream": None}, {}),
        ({"max_tokens": -1}, {"max_tokens": -1}),
        ({"max_tokens": 5.0}, {"max_tokens": 5}),
        ({"tools": [{"type": "web_search_preview"}]}, {"tools": [{"type": "web_search_preview"}]}),
        (
            {"tools": [{"type": "custom", "custom": {"name": "sh"}}]},
            {"tools": [{"type": "custom", "custom": {"name": "sh"}}]},
        ),
        ({"prompt_cache_retention": "24h"}, {"prompt_cache_retention": "24h"}),
        (
            {"store": True, "metadata": {"a": "b"}},
            {"store": True, "metadata": {"a": "b"}},
        ),
        ({"metadata": {"a": "b"}}, {}),
        ({"provider": {"order": ["x"]}}, {"provider": {"order": ["x"]}}),
        (
            {"stream_options": {"include_usage": True, "include_obfuscation": False}},
            {"stream_options": {"include_usage": True, "include_obfuscation": False}},
        ),
    ],
)
def test_what_openai_accepts_is_accepted_and_passed_on(
    hub: Stack, provider: ScriptedProvider, asked: dict[str, Any], passed: dict[str, Any]
) -> None:
    provider.default = Script(text="ok")
    found = sent(hub, provider, "/v1/chat/completions", messages=[USER], **asked)
    usual = {"model", "messages", "stream", "stream_options"}
    assert {name: v for name, v in found.items() if name not in usual or name in passed} == passed


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": ""},
        {"role": "assistant", "content": ""},
        {"role": "assistant", "content": None},
        {"role": "assistant", "audio": {"id": "a"}},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "assistant", "reasoning_content": "hm", "tool_calls": [CALL]},
        {"role": "assistant", "content": [], "reasoning_details": [{"type": "reasoning.text"}]},
        {"role": "tool", "tool_call_id": "c", "content": None},
        {"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}], "name": "ann"},
        {"role": "assistant", "content": "x", "extra_content": {"google": {"thought": True}}},
    ],
)
def test_every_message_that_openai_takes_is_passed_on_as_it_is(
    hub: Stack, provider: ScriptedProvider, message: dict[str, Any]
) -> None:
    found = sent(hub, provider, "/v1/chat/completions", messages=[message, USER])
    assert found["messages"] == [message, USER]


GATED = [
    "models", "fallbacks", "context_window_fallbacks", "route", "api_base", "base_url", "api_key",
    "api_version", "custom_llm_provider", "model_list", "extra_headers", "extra_body", "headers",
    "vertex_project", "aws_access_key_id", "azure_ad_token", "litellm_params", "preset", "endpoint",
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "question"),
    [
        ("/v1/chat/completions", {"messages": [USER]}),
        ("/v1/responses", {"input": "q"}),
        ("/v1/embeddings", {"input": "q"}),
    ],
)
def test_another_model_address_or_key_cannot_be_chosen(
    hub: Stack, provider: ScriptedProvider, path: str, question: dict[str, Any]
) -> None:
    before = newest_id(hub)
    for name in GATED:
        answer = hub.post(path, json={"model": MODEL, **question, name: ["x"]})
        assert answer.status_code == 400, name
        assert answer.json()["error"]["param"] == name
        assert answer.json()["error"]["type"] == "invalid_request_error"
    assert newest_id(hub) == before
    assert provider.requests == []


def test_responses_ask_in_the_older_shape(hub: Stack, provider: ScriptedProvider) -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: X"}
    allowed = {"type": "function", "name": "f"}
    found = sent(
        hub,
        provider,
        "/v1/responses",
        input=[
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "q"},
                    {"type": "input_file", "file_id": "f1"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": "data:,"},
                    {"type": "input_image", "file_id": "i1"},
                    {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
                ],
            }
        ],
        tools=[
            {"type": "function", "name": "f", "parameters": {}},
            {"type": "custom", "name": "sh", "format": grammar},
            {"type": "web_search", "search_context_size": "low"},
        ],
        tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [allowed]},
        text={"verbosity": "low", "format": {"type": "text"}},
        reasoning={"effort": "high", "summary": "auto"},
        prompt_cache_retention="24h",
        presence_penalty=0.5,
        made_up={"by": "a provider"},
        store=True,
        metadata={"a": "b"},
    )
    assert found["messages"][0]["content"] == [
        {"type": "text", "text": "q"},
        {"type": "file", "file": {"file_id": "f1"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:,"}},
        {"type": "image_url", "image_url": {"file_id": "i1", "detail": "auto"}},
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
    ]
    assert found["tools"] == [
        {"type": "function", "function": {"name": "f", "parameters": {}}},
        {
            "type": "custom",
            "custom": {
                "name": "sh",
                "format": {
                    "type": "grammar",
                    "grammar": {"syntax": "lark", "definition": "start: X"},
                },
            },
        },
        {"type": "web_search", "search_context_size": "low"},
    ]
    assert found["tool_choice"] == {
        "type": "allowed_tools",
        "allowed_tools": {
            "mode": "auto",
            "tools": [{"type": "function", "function": {"name": "f"}}],
        },
    }
    assert (found["verbosity"], found["reasoning_effort"]) == ("low", "high")
    assert (found["prompt_cache_retention"], found["presence_penalty"]) == ("24h", 0.5)
    assert found["made_up"] == {"by": "a provider"}
    assert not {"text", "reasoning", "store", "metadata", "input"} & found.keys()


def test_items_of_an_answer_come_back_as_the_one_message_that_they_were(
    hub: Stack, provider: ScriptedProvider
) -> None:
    details = [{"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0}]
    signature = {"google": {"thought_signature": "x"}}
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    custom = {"index": 1, "id": "d", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    provider.default = Script(
        chunks=[
            chunk(piece(0, reasoning="hm", reasoning_details=details)),
            chunk(piece(0, content="Let me look.")),
            chunk(piece(0, tool_calls=[{**call, "extra_content": signature}, custom])),
            chunk(piece(0, "tool_calls")),
            "[DONE]",
        ]
    )
    first = hub.post("/v1/responses", json={"model": MODEL, "input": "q"}).json()
    results = [
        {"type": "function_call_output", "call_id": "c", "output": "1"},
        {"type": "custom_tool_call_output", "call_id": "d", "output": "2"},
    ]
    message = {
        "role": "assistant",
        "content": "Let me look.",
        "reasoning_content": "hm",
        "reasoning_details": details,
        "tool_calls": [
            {
                "id": "c",
                "type": "function",
                "function": {"name": "f", "arguments": "{}"},
                "extra_content": signature,
            },
            {"id": "d", "type": "custom", "custom": {"name": "sh", "input": "ls"}},
        ],
    }
    tools = [
        {"role": "tool", "tool_call_id": "c", "content": "1"},
        {"role": "tool", "tool_call_id": "d", "content": "2"},
    ]

    whole = sent(hub, provider, "/v1/responses", input=[USER, *first["output"], *results])
    references = [{"type": "item_reference", "id": item["id"]} for item in first["output"]]
    referred = sent(hub, provider, "/v1/responses", input=[USER, *references, *results])
    after = sent(hub, provider, "/v1/responses", previous_response_id=first["id"], input=results)

    for asked in (whole, referred, after):
        assert asked["messages"] == [USER, message, *tools]


def test_the_items_that_were_asked_can_be_listed(hub: Stack, client: OpenAI) -> None:
    asked: Any = [
        {"role": "user", "content": "one"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "1"},
        {"role": "user", "content": [{"type": "input_image", "image_url": "data:,"}]},
    ]
    response = client.responses.create(model=MODEL, input=asked, instructions="be brief")

    items: list[Any] = list(client.responses.input_items.list(response.id, order="asc"))
    assert [item.type for item in items] == [
        "message", "function_call", "function_call_output", "message",
    ]  # fmt: skip
    assert (items[0].content[0].text, items[1].name, items[2].output) == ("one", "f", "1")
    assert items[3].content[0].image_url == "data:,"
    first = hub.get(f"/v1/responses/{response.id}/input_items?limit=1").json()
    assert (first["has_more"], first["data"][0]["id"]) == (True, items[3].id)
    answer = hub.get(f"/v1/responses/{response.id}/input_items?after=nothing")
    assert answer.json()["error"]["param"] == "after"


RESPONSE = {
    "id", "object", "created_at", "completed_at", "status", "incomplete_details", "model",
    "previous_response_id", "instructions", "output", "error", "tools", "tool_choice",
    "truncation", "parallel_tool_calls", "text", "top_p", "presence_penalty", "frequency_penalty",
    "top_logprobs", "temperature", "reasoning", "usage", "max_output_tokens", "max_tool_calls",
    "store", "background", "service_tier", "metadata", "safety_identifier", "prompt_cache_key",
}  # fmt: skip
"""The members that the schema of OpenResponses asks for."""


def test_a_response_has_every_member_of_the_schema(hub: Stack) -> None:
    tool = {"type": "function", "name": "f"}
    body = {"model": MODEL, "input": "q", "tools": [tool]}
    response = hub.post("/v1/responses", json=body).json()

    assert response.keys() >= RESPONSE
    assert {type(response[name]) for name in ("temperature", "top_p")} == {float}
    assert response["completed_at"] >= response["created_at"]
    assert response["tools"] == [{**tool, "description": None, "parameters": None, "strict": None}]
    assert response["usage"]["input_tokens_details"]["cached_tokens"] is None


def test_reasoning_stands_where_clients_of_summaries_look_for_it(
    client: OpenAI, provider: ScriptedProvider
) -> None:
    provider.default = Script(
        chunks=[
            chunk(piece(0, reasoning="let ")),
            chunk(piece(0, reasoning="me see")),
            chunk(piece(0, content="42")),
            chunk(piece(0, "stop")),
            "[DONE]",
        ]
    )
    events: list[Any] = list(client.responses.create(model=MODEL, input="q", stream=True))

    summary = [e for e in events if e.type.startswith("response.reasoning_summary")]
    kinds = [event.type.removeprefix("response.reasoning_summary_") for event in summary]
    assert list(dict.fromkeys(kinds)) == ["part.added", "text.delta", "text.done", "part.done"]
    text = "".join(e.delta for e in summary if e.type.endswith("text.delta"))
    assert text == events[-1].response.output[0].summary[0].text == "let me see"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_not_to_be_stored_is_answered_and_then_not_there(
    hub: Stack, provider: ScriptedProvider, path: str, stream: bool
) -> None:
    provider.default = Script(deltas=["the whole of it"])
    question = {"messages": messages("q")} if "chat" in path else {"input": "q"}
    body = {"model": MODEL, **question, "store": False, "stream": stream}
    answer = hub.post(path, json=body)
    generation_id = answer.headers["Hubbub-Generation"]

    assert answer.status_code == 200
    assert "the whole of it" in answer.text
    for gone in (
        f"/generations/{generation_id}",
        f"/generations/{generation_id}/events?format=openai",
        f"/g/{generation_id}",
        f"/v1/responses/resp_{generation_id}",
        f"/v1/responses/resp_{generation_id}/input_items",
    ):
        assert hub.get(gone).status_code == 404, gone
    listed = hub.get("/generations?limit=100").json()["generations"]
    assert generation_id not in [one["id"] for one in listed]
    later = {"input": "and?", "previous_response_id": f"resp_{generation_id}"}
    assert hub.post("/v1/responses", json=later).status_code == 404


@pytest.mark.parametrize("stream", [True, False])
def test_a_header_asks_for_the_end_with_the_client(
    hub: Stack, provider: ScriptedProvider, stream: bool
) -> None:
    gate = Gate()
    provider.default = Script(text=text_for("long"), gate=gate)
    body = {"messages": messages("long"), "stream": stream}
    headers = {"Hubbub-Cancel-On-Disconnect": "1"}

    def ask() -> None:
        url = f"{hub.url}/v1/chat/completions"
        with pytest.raises(requests.RequestException):
            requests.post(url, json=body, headers=headers, timeout=(5, 1)).raise_for_status()

    thread = threading.Thread(target=ask)
    thread.start()
    gate.release(2)
    thread.join(20)

    assert hub.finished(newest(hub)["id"])["status"] == "cancelled"
    eventually(lambda: provider.running == 0, 5)


def test_the_header_that_asks_for_it_is_1_or_0(hub: Stack) -> None:
    headers = {"Hubbub-Cancel-On-Disconnect": "perhaps"}
    answer = hub.post("/v1/chat/completions", json={"messages": [USER]}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["param"]) == (
        400,
        "Hubbub-Cancel-On-Disconnect",
    )


def test_a_setting_asks_for_it_for_all(stack: StartStack, provider: ScriptedProvider) -> None:
    hub = stack({"HUB_CANCEL_ON_DISCONNECT": "1"})
    gate = Gate()
    provider.default = Script(text=text_for("long"), gate=gate)
    gate.release(1)
    body = {"messages": messages("long"), "stream": True}
    with requests.post(
        f"{hub.url}/v1/chat/completions", json=body, stream=True, timeout=20
    ) as answer:
        generation_id = answer.headers["Hubbub-Generation"]
    assert hub.finished(generation_id)["status"] == "cancelled"


@pytest.fixture(scope="module")
def keyless(shared: Shared) -> Web:
    """A web process beside the others that knows no provider, as in compose: workers alone do."""
    return shared.hub.add_web(OPENAI_BASE_URL="", OPENAI_API_KEY="")


def completed(hub: Stack) -> set[str]:
    """What is listed and has its answer; one that an earlier test left may be ending yet."""
    listed = hub.get("/generations?limit=100").json()["generations"]
    return {one["id"] for one in listed if one["status"] == "completed"}


def test_embeddings_are_passed_through_as_they_come(
    hub: Stack, keyless: Web, client: OpenAI, provider: ScriptedProvider
) -> None:
    before = completed(hub)
    asked: dict[str, Any] = {"model": MODEL, "input": ["a", "bc"], "encoding_format": "float"}
    answer = client.embeddings.create(**asked)
    bare = keyless.post("/v1/embeddings", json=asked)
    assert [one.embedding[:2] for one in answer.data] == [[0.25, 1], [0.25, 2]]
    assert answer.usage.total_tokens == 3
    assert b"0.12345678901234568" in bare.content, "as the provider wrote it"
    assert provider.requests == [asked, asked]
    assert completed(hub) == before


def test_embeddings_of_many_texts_are_more_than_one_event_holds(
    hub: Stack, provider: ScriptedProvider
) -> None:
    answer = hub.post("/v1/embeddings", json={"model": MODEL, "input": ["x"] * 9000})
    assert answer.status_code == 200, answer.text
    assert len(answer.content) > 500_000
    assert [one["index"] for one in answer.json()["data"]] == list(range(9000))


def test_embeddings_that_are_refused_say_so_in_the_provider_s_words(
    hub: Stack, keyless: Web, client: OpenAI, provider: ScriptedProvider
) -> None:
    said = {"message": "too long", "type": "t", "param": "input", "code": "string_above_max_length"}
    provider.default = Script(status=400, error={"error": said})
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model=MODEL, input="a")
    assert caught.value.body == said
    bare = keyless.post("/v1/embeddings", json={"input": "a"})
    assert (bare.status_code, bare.json()) == (400, {"error": said})
    assert hub.post("/v1/embeddings", json={"model": MODEL}).json()["error"]["param"] == "input"
