"""AG-UI's `RunAgentInput`, as far as the hub reads it → a question in OpenAI's words."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any

from hub.errors import FieldError
from hub.fanout.pace import paced
from hub.json_text import decode
from hub.shape import Shape, a
from workers.faces.again import put_back
from workers.faces.parameters import Name, asked
from workers.openai.chat_request import Asked

_Content = str | Annotated[list[dict[str, Any]], a("a list of parts")]


class CalledFunction(Shape, frozen=True):
    name: str
    arguments: str


class ToolCall(Shape, frozen=True):
    function: CalledFunction
    id: str


class _Spoken(Shape, frozen=True, tag_field="role"):
    content: _Content


class RunSystemMessage(_Spoken, frozen=True, tag="system"):
    pass


class RunDeveloperMessage(_Spoken, frozen=True, tag="developer"):
    pass


class RunUserMessage(_Spoken, frozen=True, tag="user"):
    pass


class RunAssistantMessage(Shape, frozen=True, tag_field="role", tag="assistant"):
    content: _Content | None = None
    toolCalls: list[ToolCall] | None = None


class RunToolMessage(_Spoken, frozen=True, tag="tool"):
    toolCallId: str


class RunReasoning(Shape, frozen=True, tag_field="role", tag="reasoning"):
    """Asked only where calls follow: some models want it with them."""

    content: _Content | None = None


class RunActivity(Shape, frozen=True, tag_field="role", tag="activity"):
    """Shown and not asked."""


class RunTool(Shape, frozen=True):
    name: str
    description: Any = None
    parameters: Any = None


class RunAgentInput(Shape, frozen=True):
    """AG-UI's, as far as the hub reads it. Of `forwardedProps`, OpenAI's parameters are
    (`parameters.TAKEN`)."""

    threadId: Name
    runId: Name
    messages: Annotated[
        list[
            RunSystemMessage
            | RunDeveloperMessage
            | RunUserMessage
            | RunAssistantMessage
            | RunToolMessage
            | RunReasoning
            | RunActivity
        ],
        a("a list of at least one message", min_length=1),
    ]
    tools: list[RunTool] | None = None
    context: list[dict[str, Any]] | None = None
    state: Any = None
    forwardedProps: Any = None


class ConnectInput(Shape, frozen=True):
    """The body of `POST /ag-ui/connect`."""

    threadId: Name


def question(body: Mapping[str, Any], models: Collection[str]) -> Asked:
    """Of a body whose shape was checked."""
    messages, thought = _context(body), ""
    for number, message in enumerate(paced(body["messages"])):
        if message["role"] == "reasoning":
            content = message.get("content")
            thought += content if isinstance(content, str) else ""
            continue
        messages += _message(message, f"messages[{number}]")
        if message.get("toolCalls") and thought:
            messages[-1]["reasoning_content"] = thought
        if message.get("toolCalls") or message["role"] != "assistant":
            thought = ""
    if not any(message["role"] != "system" for message in messages):
        raise FieldError("messages", "hold nothing that a model could be asked")
    props = body.get("forwardedProps")
    given = props if isinstance(props, Mapping) else {}
    return asked(messages, given, _tools(body), models, within="forwardedProps")


def _context(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the application tells the agent beside the conversation: one system message."""
    lines = [
        f"{one.get('description', '')}: {one.get('value', '')}" for one in body.get("context") or ()
    ]
    return [{"role": "system", "content": "\n".join(lines)}] if lines else []


def _message(message: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    """OpenAI's message; none for what is shown and not asked."""
    role, content = message["role"], message.get("content")
    if role == "activity":
        return []
    if isinstance(content, list):
        content = [_part(part, f"{field}.content[{at}]") for at, part in enumerate(content)]
    found: dict[str, Any] = {"role": role, "content": content}
    if role == "tool":
        found["tool_call_id"] = message["toolCallId"]
    calls = message.get("toolCalls") or ()
    if calls:
        found["tool_calls"] = []
        for call in calls:
            again = call.get("encryptedValue")
            named = {n: value for n, value in call.items() if n != "encryptedValue"}
            found["tool_calls"].append({**named, "type": "function"})
            found |= put_back(_ours(again), found["tool_calls"][-1])
    return [found]


def _ours(encrypted: object) -> object:
    """What the dialect has written; another agent's is none of ours."""
    try:
        return decode(encrypted) if isinstance(encrypted, str) else None
    except ValueError:
        return None


def _string(value: Mapping[str, Any], name: str, field: str) -> str:
    found = value.get(name)
    if not isinstance(found, str):
        raise FieldError(f"{field}.{name}", "must be a string")
    return found


def _part(part: Mapping[str, Any], field: str) -> dict[str, Any]:
    """A part of the user's content: text, or something with a source (`data` or `url`)."""
    if part.get("type") == "text":
        return {"type": "text", "text": _string(part, "text", field)}
    url, media = _url(part, field)
    if part.get("type") == "image" or media.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": url}}
    if part.get("type") == "audio" and url.startswith("data:"):
        data = url.partition(",")[2]
        return {"type": "input_audio", "input_audio": {"data": data, "format": media[6:] or "wav"}}
    return {"type": "file", "file": {"filename": part.get("filename") or "file", "file_data": url}}


def _url(part: Mapping[str, Any], field: str) -> tuple[str, str]:
    source = part.get("source")
    source = source if isinstance(source, Mapping) else part
    media = source.get("mimeType") or part.get("mimeType") or ""
    value = source.get("value") or source.get("url") or source.get("data")
    if not isinstance(value, str) or not isinstance(media, str):
        raise FieldError(field, "has no source that could be read")
    if source.get("type") == "data" or "data" in source:
        return f"data:{media};base64,{value}", media
    return value, media


def _tools(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "type": "function",
            "function": {
                "name": tool["name"],
                "description": tool.get("description") or "",
                "parameters": tool.get("parameters") or {"type": "object", "properties": {}},
            },
        }
        for tool in body.get("tools") or ()
    ]
