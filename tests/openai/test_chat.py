"""`POST /v1/chat/completions` and `GET /v1/models`, through the official package (contract §5)."""

from __future__ import annotations

import threading
from typing import Any

import openai
import pytest
import requests
from openai import OpenAI

from tests.conftest import StartStack
from tests.support import keys
from tests.support.deadline import eventually
from tests.support.provider import Gate, Script, ScriptedProvider, text_for
from tests.support.stack import LocalModel, Stack
from tests.support.stream import EventStream

MODEL = "scripted"


def messages(prompt: str) -> list[Any]:
    return [{"role": "user", "content": prompt}]


def newest(hub: Stack) -> dict[str, Any]:
    found: dict[str, Any] = hub.get("/generations?limit=1").json()["generations"][0]
    return found


def newest_id(hub: Stack) -> str | None:
    listed = hub.get("/generations?limit=1").json()["generations"]
    return listed[0]["id"] if listed else None


def test_a_stream_gives_the_text_that_the_generation_has(hub: Stack, client: OpenAI) -> None:
    with client.chat.completions.with_streaming_response.create(
        model=MODEL, messages=messages("hello"), stream=True
    ) as answer:
        generation_id = answer.headers["Hubbub-Generation"]
        chunks = list(answer.parse())

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    found = hub.finished(generation_id)
    assert text == text_for("hello") == found["choices"][0]["content"]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert {chunk.id for chunk in chunks} == {f"chatcmpl-{generation_id}"}


def test_without_a_stream_the_whole_answer_comes_at_once(hub: Stack, client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=messages("hello"))
    answer = raw.parse()

    assert answer.object == "chat.completion"
    assert answer.choices[0].message.content == text_for("hello")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens > 0
    assert newest(hub)["id"] == raw.headers["Hubbub-Generation"]


def test_usage_comes_in_a_chunk_of_its_own_where_it_was_asked_for(client: OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model=MODEL,
            messages=messages("hello"),
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)


def test_the_package_s_stream_helper_understands_us(client: OpenAI) -> None:
    with client.chat.completions.stream(model=MODEL, messages=messages("hello")) as stream:
        final = stream.get_final_completion()

    assert final.choices[0].message.content == text_for("hello")


def test_parameters_reach_the_provider_as_they_are(
    client: OpenAI, provider: ScriptedProvider
) -> None:
    client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "system", "content": "be brief"}, *messages("hello")],
        temperature=0.5,
        max_completion_tokens=77,
        top_p=0.9,
        seed=7,
        stop=["END"],
        logprobs=True,
        top_logprobs=2,
        tool_choice="auto",
        tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}],
        response_format={"type": "json_object"},
        extra_body={"made_up": {"by": "a provider"}, "hubbub": {"cancel_on_disconnect": False}},
    )

    (sent,) = provider.requests
    assert sent["messages"][0] == {"role": "system", "content": "be brief"}
    for name, value in {
        "model": MODEL,
        "temperature": 0.5,
        "max_completion_tokens": 77,
        "top_p": 0.9,
        "seed": 7,
        "stop": ["END"],
        "logprobs": True,
        "top_logprobs": 2,
        "tool_choice": "auto",
        "response_format": {"type": "json_object"},
        "made_up": {"by": "a provider"},
    }.items():
        assert sent[name] == value
    assert sent["tools"][0]["function"]["name"] == "f"
    assert "hubbub" not in sent


def chunk(*choices: dict[str, Any], **beside: Any) -> dict[str, Any]:
    return {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": MODEL,
        "choices": list(choices),
        **beside,
    }


def piece(index: int, finish_reason: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": finish_reason}


def test_several_choices_keep_apart(client: OpenAI, provider: ScriptedProvider) -> None:
    provider.default = Script(
        chunks=[
            chunk(piece(0, content="a"), piece(1, content="x")),
            chunk(piece(1, content="y")),
            chunk(piece(0, content="b")),
            chunk(piece(0, "stop"), piece(1, "length")),
            "[DONE]",
        ]
    )

    whole = client.chat.completions.create(model=MODEL, messages=messages("q"), n=2)
    texts = ["", ""]
    for part in client.chat.completions.create(
        model=MODEL, messages=messages("q"), n=2, stream=True
    ):
        for choice in part.choices:
            texts[choice.index] += choice.delta.content or ""

    assert [c.message.content for c in whole.choices] == texts == ["ab", "xy"]
    assert [c.finish_reason for c in whole.choices] == ["stop", "length"]
    assert provider.requests[0]["n"] == 2


def test_tool_calls_are_put_together_from_their_pieces(
    client: OpenAI, provider: ScriptedProvider
) -> None:
    def call(**function: str) -> dict[str, Any]:
        first = {"id": "call_1", "type": "function"} if "name" in function else {}
        return {"tool_calls": [{"index": 0, **first, "function": function}]}

    provider.default = Script(
        chunks=[
            chunk(piece(0, **call(name="weather", arguments=""))),
            chunk(piece(0, **call(arguments='{"city":'))),
            chunk(piece(0, **call(arguments='"Ulm"}'))),
            chunk(piece(0, "tool_calls")),
            "[DONE]",
        ]
    )

    whole = client.chat.completions.create(model=MODEL, messages=messages("q"))
    with client.chat.completions.stream(model=MODEL, messages=messages("q")) as stream:
        streamed = stream.get_final_completion()

    for answer in (whole.choices[0], streamed.choices[0]):
        assert answer.finish_reason == "tool_calls"
        assert answer.message.tool_calls is not None
        (found,) = answer.message.tool_calls
        assert found.type == "function"
        assert (found.id, found.function.name) == ("call_1", "weather")
        assert found.function.arguments == '{"city":"Ulm"}'
    assert whole.choices[0].message.content is None


def test_who_asks_with_functions_is_answered_with_a_function_call(
    client: OpenAI, provider: ScriptedProvider
) -> None:
    pieces = [{"name": "f", "arguments": "{"}, {"arguments": "}"}]
    provider.default = Script(
        chunks=[
            *(chunk(piece(0, function_call=told)) for told in pieces),
            chunk(piece(0, "function_call")),
            "[DONE]",
        ]
    )
    asked: Any = {"model": MODEL, "messages": messages("q"), "functions": [{"name": "f"}]}

    whole = client.chat.completions.create(**asked)
    streamed = list(client.chat.completions.create(**asked, stream=True))

    said = [one.choices[0].delta.function_call for one in streamed]
    assert whole.choices[0].message.function_call is not None
    for called in (
        [whole.choices[0].message.function_call],
        [one for one in said if one is not None],
    ):
        assert "".join(one.name or "" for one in called) == "f"
        assert "".join(one.arguments or "" for one in called) == "{}"
    assert whole.choices[0].message.tool_calls is None
    assert whole.choices[0].finish_reason == "function_call"


def test_logprobs_refusals_and_reasoning_pass_through(
    client: OpenAI, provider: ScriptedProvider
) -> None:
    logprobs = {"content": [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}]}
    provider.default = Script(
        chunks=[
            chunk(piece(0, reasoning_content="let me see")),
            chunk({**piece(0, content="a"), "logprobs": logprobs}),
            chunk(piece(0, refusal="no")),
            chunk(piece(0, "stop")),
            "[DONE]",
        ]
    )

    whole = client.chat.completions.create(model=MODEL, messages=messages("q"), logprobs=True)
    parts = list(
        client.chat.completions.create(
            model=MODEL, messages=messages("q"), logprobs=True, stream=True
        )
    )

    choice = whole.choices[0]
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    assert [token.logprob for token in choice.logprobs.content] == [-0.1]
    assert choice.message.refusal == "no"
    assert choice.message.model_extra == {"reasoning_content": "let me see"}
    deltas = [part.choices[0].delta.model_extra for part in parts]
    assert {"reasoning_content": "let me see"} in deltas
    assert any(part.choices[0].logprobs for part in parts)


@pytest.mark.slow
def test_any_tab_can_watch_and_the_client_s_leaving_stops_nothing(
    hub: Stack, client: OpenAI, provider: ScriptedProvider
) -> None:
    gate = Gate()
    provider.default = Script(text=text_for("long"), gate=gate)
    stream = client.chat.completions.with_streaming_response.create(
        model=MODEL, messages=messages("long"), stream=True
    )
    with stream as answer:
        generation_id = answer.headers["Hubbub-Generation"]
        gate.release(3)
        next(iter(answer.parse()))
    with EventStream(f"{hub.url}/generations/{generation_id}/events") as tab:
        gate.open()
        tab.to_end()

    assert hub.finished(generation_id)["status"] == "completed"
    assert hub.finished(generation_id)["choices"][0]["content"] == text_for("long")


@pytest.mark.parametrize("streamed", [True, False])
def test_the_client_s_leaving_cancels_where_it_asked_so(
    hub: Stack, provider: ScriptedProvider, streamed: bool
) -> None:
    gate = Gate()
    provider.default = Script(text=text_for("long"), gate=gate)
    body = {
        "messages": messages("long"),
        "stream": streamed,
        "hubbub": {"cancel_on_disconnect": True},
    }

    def ask() -> None:
        with pytest.raises(requests.RequestException):
            requests.post(
                f"{hub.url}/v1/chat/completions", json=body, timeout=(5, 1)
            ).raise_for_status()

    thread = threading.Thread(target=ask)
    thread.start()
    gate.release(2)
    thread.join(20)

    found = hub.finished(newest(hub)["id"])
    assert found["status"] == "cancelled"
    eventually(lambda: provider.running == 0, 5)


@pytest.mark.parametrize("streamed", [True, False])
def test_who_stays_to_the_end_cancels_nothing(client: OpenAI, hub: Stack, streamed: bool) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=messages("q"),
        stream=streamed,
        extra_body={"hubbub": {"cancel_on_disconnect": True}},
    )
    if streamed:
        list(answer)

    assert hub.finished(newest(hub)["id"])["status"] == "completed"


@pytest.mark.parametrize(
    ("status", "error", "raised"),
    [
        (400, "your prompt is odd", openai.BadRequestError),
        (401, "bad key", openai.InternalServerError),
        (400, "maximum context length is 4096 tokens", openai.BadRequestError),
    ],
)
def test_a_failure_is_the_status_that_the_package_knows(
    client: OpenAI,
    provider: ScriptedProvider,
    status: int,
    error: str,
    raised: type[openai.APIStatusError],
) -> None:
    provider.default = Script(status=status, error={"error": {"message": error}})

    with pytest.raises(raised, match=error) as caught:
        client.chat.completions.create(model=MODEL, messages=messages("q"))

    assert caught.value.response.headers["x-should-retry"] == "false"


def test_a_failure_in_mid_stream_raises_in_the_package(
    client: OpenAI, provider: ScriptedProvider
) -> None:
    provider.default = Script(text=text_for("q"), cut_after=3)

    stream = client.chat.completions.create(model=MODEL, messages=messages("q"), stream=True)

    with pytest.raises(openai.APIError) as caught:
        list(stream)
    assert caught.value.code == "provider-truncated"


def test_a_generation_that_is_cancelled_elsewhere_ends_the_call(
    hub: Stack, client: OpenAI, provider: ScriptedProvider
) -> None:
    gate = Gate()
    provider.default = Script(text=text_for("q"), gate=gate)
    raised: list[BaseException] = []

    def ask() -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model=MODEL, messages=messages("q"))
        raised.append(caught.value)

    thread = threading.Thread(target=ask)
    thread.start()
    gate.release(1)
    eventually(lambda: provider.running == 1)
    hub.post(f"/generations/{newest(hub)['id']}/cancel")
    thread.join(20)

    assert getattr(raised[0], "code", None) == "cancelled"


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"messages": []}, "messages", "invalid-field"),
        ({}, "messages", "invalid-field"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "invalid-field"),
        ({"messages": [{"role": "user", "content": "x"}], "n": 0}, "n", "invalid-field"),
        ({"messages": [{"role": "user", "content": "x"}], "stream": "yes"}, "stream", None),
        ({"messages": [{"role": "user", "content": "x"}], "hubbub": {"x": 1}}, "hubbub.x", None),
        ([], "body", None),
    ],
)
def test_bad_input_is_an_error_in_openai_s_shape_with_its_field(
    hub: Stack, body: object, param: str, code: str | None
) -> None:
    before = newest_id(hub)
    answer = hub.post("/v1/chat/completions", json=body)

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["param"], error["type"]) == (param, "invalid_request_error")
    assert code is None or error["code"] == code
    assert newest_id(hub) == before


def test_an_unknown_path_and_a_body_that_is_no_json_are_errors_in_the_same_shape(
    hub: Stack,
) -> None:
    answers = [
        hub.get("/v1/nothing"),
        hub.post("/v1/chat/completions", data="{", headers={"Content-Type": "application/json"}),
    ]

    assert [answer.status_code for answer in answers] == [404, 400]
    assert all(answer.json()["error"]["message"] for answer in answers)


def test_the_models_are_those_of_the_provider(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).owned_by == "hubbub"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("another")


def test_only_models_of_the_allowlist_are_listed_and_served(
    stack: StartStack, provider: ScriptedProvider
) -> None:
    hub = stack({"HUB_MODELS": "scripted,other/one"})
    with OpenAI(base_url=f"{hub.url}/v1", api_key=keys.TOKEN or "x", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["scripted", "other/one"]
        assert client.models.retrieve("other/one").id == "other/one"
        with pytest.raises(openai.NotFoundError) as caught:
            client.chat.completions.create(model="third", messages=messages("q"))
    assert caught.value.code == "model_not_found"


def test_an_idempotency_key_leads_to_the_first_answer(hub: Stack) -> None:
    body = {"messages": messages("q")}
    headers = {"Idempotency-Key": "once"}

    first, second = (hub.post("/v1/chat/completions", json=body, headers=headers) for _ in "12")

    assert first.json() == second.json()
    assert first.headers["Hubbub-Generation"] == second.headers["Hubbub-Generation"]


@pytest.mark.model
def test_the_real_local_model_answers_the_package(
    stack: StartStack, local_model: LocalModel
) -> None:
    hub = stack(provider=local_model.base_url)
    with OpenAI(
        base_url=f"{hub.url}/v1", api_key=keys.TOKEN or "x", max_retries=0, timeout=60
    ) as client:
        model = client.models.list().data[0].id
        with client.chat.completions.with_streaming_response.create(
            model=model, messages=messages("Say hello."), stream=True, max_tokens=24
        ) as answer:
            generation_id = answer.headers["Hubbub-Generation"]
            parts = list(answer.parse())
    text = "".join(part.choices[0].delta.content or "" for part in parts if part.choices)
    assert text
    assert text == hub.finished(generation_id)["choices"][0]["content"]
