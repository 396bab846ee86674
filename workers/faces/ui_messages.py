"""UI messages of the AI SDK → OpenAI's messages.

| part | becomes |
| --- | --- |
| `text` | text |
| `file` | `image_url`, `input_audio` or `file`, by its media type |
| `tool-NAME`, `dynamic-tool` | a call of the assistant's, and a `tool` message with its output |
| `step-start` | the end of one message of the assistant's and the beginning of the next |
| `reasoning` | `reasoning_content` of a message with calls: models want it there; else nothing |
| anything else (`data-…`, `source-…`) | nothing: models are not asked with it |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from hub.errors import FieldError
from hub.event import compact_json
from hub.fanout.pace import paced
from hub.shape import Shape
from workers.faces.again import put_back
from workers.faces.parameters import Name


class UIPart(Shape, frozen=True):
    type: str

    words: ClassVar[str] = "an object with a type"
    beyond: ClassVar[Mapping[str, Any]] = {
        "allOf": [
            {
                "if": {"properties": {"type": {"const": kind}}},
                "then": {
                    "properties": {name: {"type": "string"} for name in names},
                    "required": names,
                },
            }
            for kind, names in (("text", ["text"]), ("file", ["url", "mediaType"]))
        ]
    }


class UIMessage(Shape, frozen=True):
    role: Literal["system", "user", "assistant"]
    parts: list[UIPart]
    id: Name | None = None


_DONE = ("output-available", "output-error", "output-denied")


def openai_messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of messages whose shape was checked (`UIMessage`). Raises `FieldError` naming the message and
    the part."""
    found: list[dict[str, Any]] = []
    for number, message in enumerate(paced(messages)):
        field, role, parts = f"messages[{number}].parts", message["role"], message["parts"]
        if role == "assistant":
            found += _assistant(parts, field)
        else:
            found.append({"role": role, "content": _content(parts, field)})
    return found


def _content(parts: Sequence[Mapping[str, Any]], field: str) -> str | list[dict[str, Any]]:
    content = []
    for at, part in enumerate(paced(parts)):
        if part["type"] == "text":
            content.append({"type": "text", "text": _text(part, "text", f"{field}[{at}]")})
        elif part["type"] == "file":
            content.append(_file(part, f"{field}[{at}]"))
    if all(each["type"] == "text" for each in content):
        return "".join(each["text"] for each in content)
    return content


def _assistant(parts: Sequence[Mapping[str, Any]], field: str) -> list[dict[str, Any]]:
    """One message for each step, and the outputs of its calls behind it."""
    found: list[dict[str, Any]] = []
    text: list[str] = []
    thought: list[str] = []
    calls: list[dict[str, Any]] = []
    outputs: list[dict[str, Any]] = []
    beside: dict[str, Any] = {}

    def step_ends() -> None:
        if text or calls:
            message: dict[str, Any] = {"role": "assistant", "content": "".join(text) or None}
            message |= beside
            if calls:
                message["tool_calls"] = list(calls)
                if thought:
                    message["reasoning_content"] = "".join(thought)
            found.append(message)
            found.extend(outputs)
        for each in (text, thought, calls, outputs, beside):
            each.clear()

    for at, part in enumerate(paced(parts)):
        kind = part["type"]
        if kind == "step-start":
            step_ends()
        elif kind == "text":
            if calls:  # text behind a call is said when its output is known
                step_ends()
            text.append(_text(part, "text", f"{field}[{at}]"))
        elif kind == "reasoning":
            thought.append(_text(part, "text", f"{field}[{at}]"))
        elif kind == "dynamic-tool" or kind.startswith("tool-"):
            beside |= _tool(part, f"{field}[{at}]", calls, outputs)
    step_ends()
    return found


def _tool(
    part: Mapping[str, Any],
    field: str,
    calls: list[dict[str, Any]],
    outputs: list[dict[str, Any]],
) -> dict[str, Any]:
    """A call that has no output yet is left out: no provider takes one. What its provider said
    beside the message comes back (`again`)."""
    if part.get("state") not in _DONE:
        return {}
    name = part["type"].removeprefix("tool-")
    if part["type"] == "dynamic-tool":
        name = _text(part, "toolName", field)
    call = _text(part, "toolCallId", field)
    given = part.get("input") or {}
    arguments = given if isinstance(given, str) else compact_json(given)
    function = {"name": name, "arguments": arguments}
    calls.append({"id": call, "type": "function", "function": function})
    metadata = part.get("callProviderMetadata")
    again = metadata.get("hubbub") if isinstance(metadata, Mapping) else None
    output = part.get("output")
    if part["state"] != "output-available":
        output = part.get("errorText") or "denied"
    text = output if isinstance(output, str) else compact_json(output)
    outputs.append({"role": "tool", "tool_call_id": call, "content": text})
    return put_back(again, calls[-1])


def _file(part: Mapping[str, Any], field: str) -> dict[str, Any]:
    url, media = _text(part, "url", field), _text(part, "mediaType", field)
    if media.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": url}}
    if media.startswith("audio/") and url.startswith("data:"):
        data = url.partition(",")[2]
        return {"type": "input_audio", "input_audio": {"data": data, "format": media[6:]}}
    name = part.get("filename")
    return {"type": "file", "file": {"filename": name or "file", "file_data": url}}


def _text(part: Mapping[str, Any], name: str, field: str) -> str:
    value = part.get(name)
    if not isinstance(value, str):
        raise FieldError(f"{field}.{name}", "must be a string")
    return value
