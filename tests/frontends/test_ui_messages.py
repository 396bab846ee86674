"""UI messages of the AI SDK, as OpenAI's."""

from __future__ import annotations

from typing import Any

import pytest

from hub.errors import FieldError
from hub.shape import shaped
from workers.faces.ai_sdk import Chat
from workers.faces.ui_messages import openai_messages


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def test_texts_of_one_message_are_one_text() -> None:
    asked = [
        {"role": "system", "parts": [text("Be brief.")]},
        {"role": "user", "parts": [text("Why "), {"type": "data-x", "data": 1}, text("so?")]},
    ]
    assert openai_messages(asked) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Why so?"},
    ]


def test_files_become_what_their_type_says() -> None:
    def file(media: str, url: str) -> dict[str, str]:
        return {"type": "file", "mediaType": media, "url": url, "filename": "f"}

    parts = [text("see"), file("image/png", "data:image/png;base64,AA")]
    parts += [file("audio/wav", "data:audio/wav;base64,BB"), file("application/pdf", "data:,")]
    (message,) = openai_messages([{"role": "user", "parts": parts}])
    assert [part["type"] for part in message["content"]] == [
        "text", "image_url", "input_audio", "file",
    ]  # fmt: skip
    assert message["content"][2]["input_audio"] == {"data": "BB", "format": "wav"}


def test_a_tool_with_output_is_a_call_and_its_result() -> None:
    tool = {"type": "tool-look", "toolCallId": "a", "state": "output-available"}
    parts = [
        {"type": "step-start"},
        {"type": "reasoning", "text": "I "},
        {"type": "reasoning", "text": "might look."},
        text("I look."),
        {**tool, "input": {"at": "sea"}, "output": {"salt": True}},
        {**tool, "type": "dynamic-tool", "toolName": "smell", "toolCallId": "b", "input": {},
         "state": "output-error", "errorText": "no nose"},
        {"type": "step-start"},
        {"type": "reasoning", "text": "hm"},
        text("It is salty."),
    ]  # fmt: skip
    assert openai_messages([{"role": "assistant", "parts": parts}]) == [
        {
            "role": "assistant",
            "content": "I look.",
            "reasoning_content": "I might look.",
            "tool_calls": [
                {"id": "a", "type": "function",
                 "function": {"name": "look", "arguments": '{"at":"sea"}'}},
                {"id": "b", "type": "function", "function": {"name": "smell", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": '{"salt":true}'},
        {"role": "tool", "tool_call_id": "b", "content": "no nose"},
        {"role": "assistant", "content": "It is salty."},
    ]  # fmt: skip


def test_a_call_without_an_output_is_left_out() -> None:
    tool = {"type": "tool-look", "toolCallId": "a", "state": "input-available", "input": {}}
    assert openai_messages([{"role": "assistant", "parts": [tool, text("x")]}]) == [
        {"role": "assistant", "content": "x"}
    ]


DONE = {"type": "dynamic-tool", "state": "output-available", "output": 1}


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (
            {"role": "assistant", "parts": [{**DONE, "toolCallId": "a"}]},
            r"parts\[0\].toolName",
        ),
        (
            {"role": "assistant", "parts": [{**DONE, "toolCallId": "a", "toolName": 5}]},
            r"parts\[0\].toolName",
        ),
        (
            {"role": "assistant", "parts": [{**DONE, "toolName": "look"}]},
            r"parts\[0\].toolCallId",
        ),
        ({"role": "robot", "parts": []}, r"messages\[0\].role"),
        ({"role": "user"}, r"messages\[0\].parts"),
        ({"role": "user", "parts": ["x"]}, r"messages\[0\].parts\[0\]"),
        ({"role": "user", "parts": [{"type": "text"}]}, r"messages\[0\].parts\[0\].text"),
        ({"role": "user", "parts": [{"type": "file", "url": "x"}]}, r"parts\[0\].mediaType"),
    ],
)
def test_what_is_wrong_is_named(message: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldError, match=field):
        shaped({"id": "c", "messages": [message]}, Chat)
        openai_messages([message])
