"""UI messages of the AI SDK → OpenAI's messages.

| part | becomes |
| --- | --- |
| `text` | text |
| `file` | `image_url`, `input_audio` or `file`, by its media type |
| `tool-NAME`, `dynamic-tool` | a call of the assistant's, and a `tool` message with its output |
| `step-start` | the end of one message of the assistant's and the beginning of the next |
| anything else (`reasoning`, `data-…`, `source-…`) | nothing: models are not asked with it |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hub.errors import FieldError
from hub.event import compact_json
from hub.fanout.pace import paced

_ROLES = ("system", "user", "assistant")
_DONE = ("output-available", "output-error", "output-denied")


def openai_messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Raises `FieldError` naming the message and the part."""
    found: list[dict[str, Any]] = []
    for number, message in enumerate(messages):
        field = f"messages[{number}]"
        role = message.get("role")
        if role not in _ROLES:
            raise FieldError(f"{field}.role", f"must be one of {', '.join(_ROLES)}")
        parts = message.get("parts")
        if not isinstance(parts, list):
            raise FieldError(f"{field}.parts", "must be a list")
        for at, part in enumerate(paced(parts)):
            if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
                raise FieldError(f"{field}.parts[{at}]", "must be an object with a type")
        if role == "assistant":
            found += _assistant(parts, field)
        else:
            found.append({"role": role, "content": _content(parts, field)})
    return found


def _content(parts: Sequence[Mapping[str, Any]], field: str) -> str | list[dict[str, Any]]:
    content = []
    for at, part in enumerate(parts):
        if part["type"] == "text":
            content.append({"type": "text", "text": _text(part, "text", f"{field}.parts[{at}]")})
        elif part["type"] == "file":
            content.append(_file(part, f"{field}.parts[{at}]"))
    if all(each["type"] == "text" for each in content):
        return "".join(each["text"] for each in content)
    return content


def _assistant(parts: Sequence[Mapping[str, Any]], field: str) -> list[dict[str, Any]]:
    """One message for each step, and the outputs of its calls behind it."""
    found: list[dict[str, Any]] = []
    text: list[str] = []
    calls: list[dict[str, Any]] = []
    outputs: list[dict[str, Any]] = []

    def step_ends() -> None:
        if text or calls:
            message: dict[str, Any] = {"role": "assistant", "content": "".join(text) or None}
            if calls:
                message["tool_calls"] = list(calls)
            found.append(message)
            found.extend(outputs)
        for each in (text, calls, outputs):
            each.clear()

    for at, part in enumerate(parts):
        kind = part["type"]
        if kind == "step-start":
            step_ends()
        elif kind == "text":
            if calls:  # text behind a call is said when its output is known
                step_ends()
            text.append(_text(part, "text", f"{field}.parts[{at}]"))
        elif kind == "dynamic-tool" or kind.startswith("tool-"):
            _tool(part, f"{field}.parts[{at}]", calls, outputs)
    step_ends()
    return found


def _tool(
    part: Mapping[str, Any],
    field: str,
    calls: list[dict[str, Any]],
    outputs: list[dict[str, Any]],
) -> None:
    """A call that has no output yet is left out: no provider takes one."""
    if part.get("state") not in _DONE:
        return
    name = part.get("toolName") or part["type"].removeprefix("tool-")
    call = _text(part, "toolCallId", field)
    function = {"name": name, "arguments": compact_json(part.get("input") or {})}
    calls.append({"id": call, "type": "function", "function": function})
    output = part.get("output")
    if part["state"] != "output-available":
        output = part.get("errorText") or "denied"
    text = output if isinstance(output, str) else compact_json(output)
    outputs.append({"role": "tool", "tool_call_id": call, "content": text})


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
