"""The dialect `ai-sdk`: the AI SDK's UI message stream (`ai` 5 to 7), as `useChat` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from hub.errors import FieldError
from hub.fanout.pace import Pace, encoded
from hub.json_text import JsonLimits, checked_json, parse_json
from hub.long_text import Text
from workers.dialects.framed import Framed, Words
from workers.dialects.segments import CallClosed, CallOpened, CallSaid, Closed, Opened, Said, Step

_FINISH = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content-filter",
    "tool_calls": "tool-calls",
    "function_call": "tool-calls",
}


@dataclass(frozen=True, slots=True)
class AiSdk(Framed):
    """`dynamic`: the page may know none of the tools, so none is promised to be its own.

    `message_id`: of the message that the answer goes on with, where there is one (the page has
    given the output of its tools): under another id the SDK shows that message twice."""

    message_id: str = ""

    headers: ClassVar[Mapping[str, str]] = {"x-vercel-ai-ui-message-stream": "v1"}
    """What tells the SDK's older readers which stream this is."""
    last: ClassVar[str | None] = "[DONE]"

    def _begin(self) -> list[Words]:
        metadata = {"generation": self.generation_id}
        message = self.message_id or self.generation_id
        start = {"type": "start", "messageId": message, "messageMetadata": metadata}
        return [start, {"type": "start-step"}]

    def _step(self, step: Step) -> list[Words]:
        match step:
            case Opened(kind, part):
                return [{"type": f"{kind}-start", "id": part}]
            case Said(kind, part, text):
                return [{"type": f"{kind}-delta", "id": part, "delta": text}]
            case Closed(kind, part):
                return [{"type": f"{kind}-end", "id": part}]
            case CallOpened(call, name):
                return [{"type": "tool-input-start", **_tool(call, name)}]
            case CallSaid(call, text):
                words = {"type": "tool-input-delta", "toolCallId": call, "inputTextDelta": text}
                return [words]

    def _called(self, call: CallClosed, again: Mapping[str, Any]) -> list[Words]:
        words = _available(call.id, call.name, call.text, call.more.get("type", "function"))
        return [{**words, "providerMetadata": {"hubbub": again}} if again else words]

    def _data(self, part: Mapping[str, Any]) -> list[Words]:
        words: Words = {"type": f"data-{part['name']}", "data": part["data"]}
        if part["id"] is not None:
            words["id"] = part["id"]
        return [words]

    def _source(self, url: str, title: str | None) -> list[Words]:
        words: Words = {"type": "source-url", "sourceId": url, "url": url}
        return [words if title is None else {**words, "title": title}]

    def _picture(self, url: str) -> list[Words]:
        media = url[5:].partition(";")[0] if url.startswith("data:") else "image/*"
        return [{"type": "file", "url": url, "mediaType": media or "image/*"}]

    def _complete(self, data: Mapping[str, Any]) -> list[Words]:
        reasons = {choice["index"]: choice["finish_reason"] for choice in data["choices"]}
        reason = _FINISH.get(reasons.get(0) or "stop", "other")
        metadata = {"usage": data.get("usage"), "cost": data.get("cost")}
        return [
            {"type": "finish-step"},
            {"type": "finish", "finishReason": reason, "messageMetadata": metadata},
        ]

    def _cancel(self, data: Mapping[str, Any]) -> list[Words]:
        return [{"type": "abort"}]

    def _fail(self, problem: Mapping[str, Any]) -> list[Words]:
        return [{"type": "error", "errorText": problem["message"]}]


def _tool(call: str, name: str) -> Words:
    return {"toolCallId": call, "toolName": name, "dynamic": True}


_ARGUMENTS = JsonLimits(depth=128, nodes=100_000)
_LONG_BYTES = 1 << 20
"""Arguments from here on are passed on as they came, and not made into values."""


def _available(call: str, name: str, text: Text, kind: str) -> Words:
    if kind == "custom":  # its input is a text
        return {"type": "tool-input-available", **_tool(call, name), "input": text}
    try:
        data = encoded(text or "{}")
        read = parse_json if len(data) < _LONG_BYTES else checked_json
        given = read(data, _ARGUMENTS, "input", Pace().step)
    except FieldError:
        words = "the model's arguments are not JSON"
        return {"type": "tool-input-error", **_tool(call, name), "input": text, "errorText": words}
    return {"type": "tool-input-available", **_tool(call, name), "input": given}
