"""`/v1/responses` through the official package (contract §5)."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.conftest import StartStack
from tests.openai.test_chat import MODEL, chunk, newest_id, piece
from tests.support import keys
from tests.support.provider import Gate, Script, ScriptedProvider, text_for
from tests.support.stack import LocalModel, Stack
from tests.support.stream import EventStream

ORDER = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]


def types(events: list[Any]) -> list[str]:
    """The events' types, each run of the same one once."""
    found = [event.type for event in events]
    return [kind for at, kind in enumerate(found) if at == 0 or found[at - 1] != kind]


def text_of(events: list[Any]) -> str:
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


def test_a_response_in_the_foreground_is_whole(hub: Stack, client: OpenAI) -> None:
    response = client.responses.create(model=MODEL, input="hello", instructions="be brief")

    assert response.status == "completed"
    assert response.output_text == text_for("hello")
    assert response.instructions == "be brief"
    assert response.usage is not None
    assert response.usage.input_tokens == 7
    found = hub.finished(response.id.removeprefix("resp_"))
    assert found["choices"][0]["content"] == response.output_text


def test_a_stream_has_the_events_in_their_order_and_number(client: OpenAI) -> None:
    events = list(client.responses.create(model=MODEL, input="hello", stream=True))

    assert types(events) == ORDER
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert text_of(events) == text_for("hello")
    last: Any = events[-1]
    assert last.response.output_text == text_for("hello")
    assert client.responses.retrieve(last.response.id) == last.response


def test_the_package_s_stream_helper_understands_us(client: OpenAI) -> None:
    with client.responses.stream(model=MODEL, input="hello") as stream:
        final = stream.get_final_response()

    assert final.output_text == text_for("hello")


def test_a_response_in_the_background_is_there_when_it_is_asked_for(
    hub: Stack, client: OpenAI, provider: ScriptedProvider
) -> None:
    gate = Gate()
    provider.default = Script(text=text_for("long"), gate=gate)
    response = client.responses.create(model=MODEL, input="long", background=True)
    assert response.status == "queued"
    assert response.background is True

    gate.open()
    hub.finished(response.id.removeprefix("resp_"))
    found = client.responses.retrieve(response.id)

    assert found.status == "completed"
    assert found.output_text == text_for("long")


def test_a_stream_that_was_cut_resumes_after_any_of_its_events(client: OpenAI) -> None:
    whole = list(client.responses.create(model=MODEL, input="hello", stream=True, background=True))
    response_id = whole[0].response.id  # type: ignore[union-attr]

    for seen in (0, 1, 3, 10, len(whole) - 2):
        rest = list(client.responses.retrieve(response_id, stream=True, starting_after=seen))
        assert rest == whole[seen + 1 :]
    assert list(client.responses.retrieve(response_id, stream=True)) == whole


def test_a_stream_can_be_resumed_while_it_is_written(
    client: OpenAI, provider: ScriptedProvider
) -> None:
    gate = Gate()
    provider.default = Script(text=text_for("long"), gate=gate)
    seen: list[Any] = []
    with client.responses.create(model=MODEL, input="long", stream=True, background=True) as stream:
        gate.release(5)
        for event in stream:
            seen.append(event)
            if len(text_of(seen)) >= 20:
                break
    gate.release(5)

    rest = client.responses.retrieve(
        seen[0].response.id, stream=True, starting_after=seen[-1].sequence_number
    )
    gate.open()
    seen += list(rest)

    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    assert text_of(seen) == text_for("long")
    assert seen[-1].response.output_text == text_for("long")


def test_a_response_can_be_cancelled_and_keeps_its_text(
    hub: Stack, client: OpenAI, provider: ScriptedProvider
) -> None:
    gate = Gate()
    provider.default = Script(text="some text", gate=gate)
    response = client.responses.create(model=MODEL, input="long", background=True)
    generation_id = response.id.removeprefix("resp_")
    gate.release(1)
    with EventStream(f"{hub.url}/generations/{generation_id}/events") as tab:
        tab.next("delta", "snapshot")

    cancelled = client.responses.cancel(response.id)

    assert cancelled.status == "cancelled"
    assert cancelled.output_text == "some"
    assert client.responses.cancel(response.id) == cancelled
    events = list(client.responses.retrieve(response.id, stream=True))
    last: Any = events[-1]
    assert (last.type, last.response.status) == ("response.incomplete", "cancelled")


def test_reasoning_stands_apart_from_the_answer(client: OpenAI, provider: ScriptedProvider) -> None:
    provider.default = Script(
        chunks=[
            chunk(piece(0, reasoning_content="let me ")),
            chunk(piece(0, reasoning_content="see")),
            chunk(piece(0, content="42")),
            chunk(piece(0, "stop")),
            "[DONE]",
        ]
    )

    events = list(client.responses.create(model=MODEL, input="q", stream=True))

    response: Any = events[-1].response  # type: ignore[union-attr]
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.output[0].content[0].text == "let me see"
    assert response.output_text == "42"
    assert response == client.responses.retrieve(response.id)
    kinds = [event.type for event in events]
    assert kinds.index("response.reasoning_text.done") < kinds.index("response.output_text.delta")


def test_function_calls_arrive_as_items_and_their_results_go_back(
    client: OpenAI, provider: ScriptedProvider
) -> None:
    def call(index: int, **function: str) -> dict[str, Any]:
        first = {"id": f"call_{index}", "type": "function"} if "name" in function else {}
        return piece(0, tool_calls=[{"index": index, **first, "function": function}])

    provider.scripts["weather?"] = Script(
        chunks=[
            chunk(piece(0, content="Let me look.")),
            chunk(call(0, name="weather", arguments="")),
            chunk(call(1, name="time", arguments="{}")),
            chunk(call(0, arguments='{"city":"Ulm"}')),
            chunk(piece(0, "tool_calls")),
            "[DONE]",
        ]
    )
    tool: Any = {"type": "function", "name": "weather", "parameters": {}, "strict": True}

    with client.responses.stream(model=MODEL, input="weather?", tools=[tool]) as stream:
        first = stream.get_final_response()
    client.responses.create(
        model=MODEL,
        previous_response_id=first.id,
        input=[{"type": "function_call_output", "call_id": "call_0", "output": "rain"}],
    )

    calls = [item for item in first.output if item.type == "function_call"]
    assert [(c.call_id, c.name, c.arguments) for c in calls] == [
        ("call_0", "weather", '{"city":"Ulm"}'),
        ("call_1", "time", "{}"),
    ]
    asked, then = provider.requests
    assert asked["tools"] == [
        {"type": "function", "function": {"name": "weather", "parameters": {}, "strict": True}}
    ]
    assert [message["role"] for message in then["messages"]] == ["user", "assistant", "tool"]
    assert then["messages"][1]["content"] == "Let me look."
    assert len(then["messages"][1]["tool_calls"]) == 2
    assert then["messages"][2] == {"role": "tool", "tool_call_id": "call_0", "content": "rain"}


def test_a_conversation_goes_on_without_the_earlier_instructions(
    client: OpenAI, provider: ScriptedProvider
) -> None:
    first = client.responses.create(model=MODEL, input="one", instructions="be brief")
    client.responses.create(
        model=MODEL, input="two", instructions="be long", previous_response_id=first.id
    )

    assert provider.requests[1]["messages"] == [
        {"role": "system", "content": "be long"},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": text_for("one")},
        {"role": "user", "content": "two"},
    ]


def test_the_input_may_be_items_with_parts(client: OpenAI, provider: ScriptedProvider) -> None:
    question: Any = [
        {"role": "developer", "content": "be brief"},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "what is this?"},
                {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
            ],
        },
    ]

    client.responses.create(
        model=MODEL,
        input=question,
        max_output_tokens=50,
        reasoning={"effort": "low"},
        text={"format": {"type": "json_schema", "name": "thing", "schema": {"type": "object"}}},
        tool_choice={"type": "function", "name": "f"},
        tools=[{"type": "function", "name": "f", "parameters": {}, "strict": False}],
    )

    (sent,) = provider.requests
    assert sent["messages"][0] == {"role": "developer", "content": "be brief"}
    assert sent["messages"][1]["content"] == [
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
    ]
    assert sent["max_tokens"] == 50
    assert sent["reasoning_effort"] == "low"
    assert sent["response_format"]["json_schema"]["name"] == "thing"
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "f"}}


def test_an_answer_that_was_cut_short_is_incomplete(
    client: OpenAI, provider: ScriptedProvider
) -> None:
    provider.default = Script(text="some text", finish_reason="length")

    response = client.responses.create(model=MODEL, input="q")
    events = list(client.responses.create(model=MODEL, input="q", stream=True))

    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.output_text == "some text"
    assert events[-1].type == "response.incomplete"


def test_a_failure_is_told_in_the_way_that_fits_the_question(
    hub: Stack, client: OpenAI, provider: ScriptedProvider
) -> None:
    provider.default = Script(status=400, error={"error": {"message": "odd prompt"}})

    for stream in (False, True):
        with pytest.raises(openai.BadRequestError, match="odd prompt"):
            client.responses.create(model=MODEL, input="q", stream=stream)
    behind = client.responses.create(model=MODEL, input="q", background=True)
    hub.finished(behind.id.removeprefix("resp_"))
    behind = client.responses.retrieve(behind.id)

    assert behind.status == "failed"
    assert behind.error is not None
    assert "odd prompt" in behind.error.message


def test_a_chat_completion_can_be_read_as_a_response(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=[{"role": "user", "content": "hello"}]
    )

    response = client.responses.retrieve(f"resp_{raw.headers['Hubbub-Generation']}")

    assert response.output_text == text_for("hello")


def test_a_response_that_was_deleted_is_gone(client: OpenAI) -> None:
    response = client.responses.create(model=MODEL, input="hello")
    client.responses.delete(response.id)

    for call in (client.responses.retrieve, client.responses.cancel, client.responses.delete):
        with pytest.raises(openai.NotFoundError):
            call(response.id)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].id"),
        ({"input": [{"type": "web_search_call", "id": "x"}]}, "input[0].type"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file"}]}]},
            "input[0].content[0].file_id",
        ),
        ({"input": "x", "tools": [{"name": "f"}]}, "tools[0]"),
        ({"input": "x", "conversation": "c"}, "conversation"),
        ({"input": "x", "models": ["y"]}, "models"),
        ({"input": "x", "background": 1}, "background"),
        ({"input": "x", "reasoning": "much"}, "reasoning"),
    ],
)
def test_bad_input_names_its_field_and_makes_nothing(
    hub: Stack, body: dict[str, Any], param: str
) -> None:
    before = newest_id(hub)

    answer = hub.post("/v1/responses", json=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert newest_id(hub) == before


@pytest.mark.parametrize("query", ["starting_after=x", "starting_after=-1", "stream=maybe"])
def test_bad_parameters_of_a_retrieval_are_named(hub: Stack, client: OpenAI, query: str) -> None:
    response = client.responses.create(model=MODEL, input="hello")

    answer = hub.get(f"/v1/responses/{response.id}?{query}")

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == query.partition("=")[0]


def test_a_beginning_that_history_has_let_go_is_told_and_not_guessed(
    stack: StartStack, provider: ScriptedProvider
) -> None:
    hub = stack({"HUB_HISTORY_EVENTS": "5"})
    gate = Gate()
    provider.default = Script(text=text_for("long"), gate=gate)
    with OpenAI(base_url=f"{hub.url}/v1", api_key=keys.TOKEN or "x", max_retries=0) as client:
        response = client.responses.create(model=MODEL, input="long", background=True)
        generation_id = response.id.removeprefix("resp_")
        with EventStream(f"{hub.url}/generations/{generation_id}/events") as tab:
            for _ in range(12):
                gate.release(1)
                tab.next("delta")
        gate.open()
        hub.finished(generation_id)
        hub.web.kill()  # and with it what its memory still had
        hub.web.start()

        url = f"{hub.url}/v1/responses/{response.id}?stream=true"
        with EventStream(f"{url}&starting_after=4") as resumed:
            last = resumed.to_end()[-1]
        whole = list(client.responses.retrieve(response.id, stream=True))

    assert json.loads(last.data)["code"] == "history-lost"
    assert text_of(whole) == text_for("long")
    assert types(whole) == ORDER


@pytest.mark.model
def test_the_real_local_model_answers_in_the_background(
    stack: StartStack, local_model: LocalModel
) -> None:
    hub = stack(provider=local_model.base_url)
    with OpenAI(
        base_url=f"{hub.url}/v1", api_key=keys.TOKEN or "x", max_retries=0, timeout=60
    ) as client:
        model = client.models.list().data[0].id
        events = list(
            client.responses.create(
                model=model, input="Say hello.", max_output_tokens=16, stream=True, background=True
            )
        )
        response = client.responses.retrieve(events[0].response.id)  # type: ignore[union-attr]
    assert text_of(events) == response.output_text
    assert response.output_text
