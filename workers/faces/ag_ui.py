"""AG-UI (contract §5): a run of an agent, asked by `RunAgentInput`, told by the protocol's events.

    POST /ag-ui            begin a run; its events
    POST /ag-ui/connect    {"threadId"}: the thread's newest run, from its start

A run is an ordinary generation; closing the request stops nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from flask import Blueprint, Response, request

from hub.errors import FieldError, NotFound
from hub.web.body import read_question
from hub.web.publishing import check_json
from workers.dialects.ag_ui import AgUi
from workers.faces.newest import Conversations
from workers.faces.parameters import asked, name_in, objects_in
from workers.generation import Generation
from workers.openai.chat import OpenAIFace
from workers.openai.chat_request import Asked

_ROLES = ("system", "developer", "user", "assistant", "tool")


def ag_ui_blueprint(face: OpenAIFace) -> Blueprint:
    blueprint = Blueprint("ag_ui", __name__)
    threads = Conversations(face.generations.all, "ag-ui")

    @blueprint.post("/ag-ui")
    def run() -> Response:
        names: list[str] = []

        def parse(body: object) -> Asked:
            names.extend((name_in(body, "threadId"), name_in(body, "runId")))
            return _asked(body, face.settings.models)

        _, generation = face.ask(parse)
        thread, run_id = names
        threads.note(thread, generation, run_id)
        return stream(generation, thread, run_id)

    @blueprint.post("/ag-ui/connect")
    def connect() -> Response:
        owner = face.generations.owner()
        check_json(request)
        _, body = read_question(request, face.settings)
        thread = name_in(body, "threadId")
        newest = threads.newest(thread, owner)
        if newest is None:
            raise NotFound(f"there is no run of the thread {thread[:100]!r}, or not any more")
        return stream(newest.generation, thread, newest.run)

    def stream(generation: Generation, thread: str, run_id: str) -> Response:
        view = AgUi(generation.id, thread_id=thread, run_id=run_id)
        return face.stream(generation, cancel_on_disconnect=False, view=view)

    return blueprint


def _asked(body: object, models: Collection[str]) -> Asked:
    if not isinstance(body, Mapping):
        raise FieldError("body", "must be a JSON object")
    messages = _context(body)
    for number, message in enumerate(objects_in(body, "messages")):
        messages += _message(message, f"messages[{number}]")
    if not any(message["role"] != "system" for message in messages):
        raise FieldError("messages", "must be a list of at least one message")
    props = body.get("forwardedProps")
    return asked(messages, props if isinstance(props, Mapping) else {}, _tools(body), models)


def _context(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the application tells the agent beside the conversation: one system message."""
    lines = [
        f"{one.get('description', '')}: {one.get('value', '')}"
        for one in objects_in(body, "context")
    ]
    return [{"role": "system", "content": "\n".join(lines)}] if lines else []


def _message(message: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    """OpenAI's message; none for what is shown and not asked (`reasoning`, `activity`)."""
    role = message.get("role")
    if role in ("reasoning", "activity"):
        return []
    if role not in _ROLES:
        raise FieldError(f"{field}.role", f"must be one of {', '.join(_ROLES)}")
    content = message.get("content")
    if isinstance(content, list):
        content = [_part(part, f"{field}.content[{at}]") for at, part in enumerate(content)]
    elif not isinstance(content, str) and (content is not None or role != "assistant"):
        raise FieldError(f"{field}.content", "must be a string or a list of parts")
    found: dict[str, Any] = {"role": role, "content": content}
    if role == "tool":
        found["tool_call_id"] = _string(message, "toolCallId", field)
    calls = objects_in(message, "toolCalls", field)
    if calls:
        found["tool_calls"] = [
            _call(call, f"{field}.toolCalls[{at}]") for at, call in enumerate(calls)
        ]
    return [found]


def _call(call: Mapping[str, Any], field: str) -> dict[str, Any]:
    function = call.get("function")
    if not isinstance(function, Mapping):
        raise FieldError(f"{field}.function", "must be an object")
    for name in ("name", "arguments"):
        _string(function, name, f"{field}.function")
    return {**call, "id": _string(call, "id", field), "type": "function"}


def _string(value: Mapping[str, Any], name: str, field: str) -> str:
    found = value.get(name)
    if not isinstance(found, str):
        raise FieldError(f"{field}.{name}", "must be a string")
    return found


def _part(part: object, field: str) -> dict[str, Any]:
    """A part of the user's content: text, or something with a source (`data` or `url`)."""
    if not isinstance(part, Mapping):
        raise FieldError(field, "must be an object")
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
                "name": _string(tool, "name", f"tools[{at}]"),
                "description": tool.get("description") or "",
                "parameters": tool.get("parameters") or {"type": "object", "properties": {}},
            },
        }
        for at, tool in enumerate(objects_in(body, "tools"))
    ]
