"""The body of `POST /generations`: every field, and every way to get it wrong."""

from __future__ import annotations

from typing import Any

import pytest

from hub.errors import FieldError
from workers.request import Request, request_from_json

ASK = {"prompt": "Why?"}
USER = {"role": "user", "content": "Why?"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "body"),
        ("prompt", "body"),
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": " \n"}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": 7}, "prompt"),
        ({"prompt": ["a"]}, "prompt"),
        ({"prompt": "a", "messages": [USER]}, "prompt"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": {"role": "user"}}, "messages"),
        ({"messages": ["hello"]}, "messages[0]"),
        ({"messages": [USER, {"content": "x"}]}, "messages[1].role"),
        ({"messages": [{"role": "god", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
        ),
        ({"messages": [{"role": "assistant", "content": None}]}, "messages[0].content"),
        ({**ASK, "system": ""}, "system"),
        ({**ASK, "system": 1}, "system"),
        ({**ASK, "model": ""}, "model"),
        ({**ASK, "model": 1}, "model"),
        ({**ASK, "model": "a\nb"}, "model"),
        ({**ASK, "model": "m" * 257}, "model"),
        ({**ASK, "temperature": "hot"}, "temperature"),
        ({**ASK, "temperature": True}, "temperature"),
        ({**ASK, "temperature": -0.1}, "temperature"),
        ({**ASK, "temperature": 2.1}, "temperature"),
        ({**ASK, "max_tokens": 0}, "max_tokens"),
        ({**ASK, "max_tokens": 1.5}, "max_tokens"),
        ({**ASK, "max_tokens": True}, "max_tokens"),
        ({**ASK, "max_tokens": 10**30}, "max_tokens"),
        ({**ASK, "n": 0}, "n"),
        ({**ASK, "n": -1}, "n"),
        ({**ASK, "n": 17}, "n"),
        ({**ASK, "n": "2"}, "n"),
        ({**ASK, "stop": ""}, "stop"),
        ({**ASK, "stop": 7}, "stop"),
        ({**ASK, "stop": ["a", ""]}, "stop[1]"),
        ({**ASK, "stop": ["a"] * 17}, "stop"),
        ({**ASK, "tools": {}}, "tools"),
        ({**ASK, "tools": [7]}, "tools[0]"),
        ({**ASK, "tools": [{}]}, "tools[0]"),
        ({**ASK, "metadata": []}, "metadata"),
        ({**ASK, "metadata": {"a": 1}}, "metadata.a"),
        ({**ASK, "metadata": {"a": "x" * 513}}, "metadata.a"),
        ({**ASK, "metadata": {str(i): "" for i in range(17)}}, "metadata"),
        ({**ASK, "stream": True}, "stream"),
        ({**ASK, "promt": "x"}, "promt"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(body: object, field: str) -> None:
    with pytest.raises(FieldError) as caught:
        request_from_json(body)
    assert caught.value.field == field
    assert caught.value.detail.startswith(field)


def test_a_prompt_is_short_for_one_message_of_the_user() -> None:
    assert request_from_json({"prompt": " Why?\n"}).messages == [
        {"role": "user", "content": " Why?\n"}
    ]


def test_a_system_text_stands_before_the_messages() -> None:
    request = request_from_json({"messages": [USER], "system": "Be brief."})
    assert request.messages == [{"role": "system", "content": "Be brief."}, USER]


def test_null_is_the_same_as_absent() -> None:
    nothing: dict[str, Any] = dict.fromkeys(
        ("messages", "system", "model", "temperature", "max_tokens", "n", "stop", "tools")
    )
    assert request_from_json({**ASK, **nothing}) == request_from_json(ASK)


def test_a_model_must_be_on_the_list_where_there_is_one() -> None:
    assert request_from_json({**ASK, "model": "a"}, ("a", "b")).model == "a"
    with pytest.raises(FieldError) as caught:
        request_from_json({**ASK, "model": "c"}, ("a", "b"))
    assert (caught.value.field, caught.value.code) == ("model", "unknown-model")


def test_a_whole_request_survives_its_record() -> None:
    request = request_from_json(
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Was ist das? ☃"}]},
                {"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]},
                {"role": "tool", "content": "", "tool_call_id": "c"},
            ],
            "model": "org/model:latest",
            "temperature": 0,
            "max_tokens": 5,
            "n": 2,
            "stop": "END",
            "tools": [{"type": "function", "function": {"name": "f"}}],
            "metadata": {"ticket": "7"},
        }
    )
    assert Request.from_json(request.to_json()) == request
    assert request.stop == ["END"]
    assert request.question == "Was ist das? ☃"
