"""The dialect `ag-ui`: events of the Agent-User Interaction protocol 1.0, a run to its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.fanout.pace import paced_json
from workers.dialects.framed import Framed, Words
from workers.dialects.segments import CallClosed, CallOpened, CallSaid, Closed, Opened, Said, Step

_STEP = "answer"


@dataclass(frozen=True, slots=True)
class AgUi(Framed):
    """`thread_id` and `run_id`: the client's own where it began the run, else the generation's."""

    thread_id: str = ""
    run_id: str = ""

    def _ids(self) -> Words:
        return {
            "threadId": self.thread_id or self.generation_id,
            "runId": self.run_id or self.generation_id,
        }

    def _message(self, part: str) -> str:
        return f"{self.generation_id}:{part}"

    def _begin(self) -> list[Words]:
        return [
            {"type": "RUN_STARTED", **self._ids()},
            {"type": "STEP_STARTED", "stepName": _STEP},
        ]

    def _step(self, step: Step) -> list[Words]:
        match step:
            case Opened("text", part):
                message = self._message(part)
                return [{"type": "TEXT_MESSAGE_START", "messageId": message, "role": "assistant"}]
            case Said("text", part, text):
                message = self._message(part)
                return [{"type": "TEXT_MESSAGE_CONTENT", "messageId": message, "delta": text}]
            case Closed("text", part):
                return [{"type": "TEXT_MESSAGE_END", "messageId": self._message(part)}]
            case Opened(_, part):
                message = self._message(part)
                return [
                    {"type": "REASONING_START", "messageId": message},
                    {
                        "type": "REASONING_MESSAGE_START",
                        "messageId": message,
                        "role": "reasoning",
                    },
                ]
            case Said(_, part, text):
                message = self._message(part)
                return [{"type": "REASONING_MESSAGE_CONTENT", "messageId": message, "delta": text}]
            case Closed(_, part):
                message = self._message(part)
                return [
                    {"type": "REASONING_MESSAGE_END", "messageId": message},
                    {"type": "REASONING_END", "messageId": message},
                ]
            case CallOpened(call, name):
                return [{"type": "TOOL_CALL_START", "toolCallId": call, "toolCallName": name}]
            case CallSaid(call, text):
                return [{"type": "TOOL_CALL_ARGS", "toolCallId": call, "delta": text}]

    def _called(self, call: CallClosed, again: Mapping[str, Any]) -> list[Words]:
        said: list[Words] = [{"type": "TOOL_CALL_END", "toolCallId": call.id}]
        if again:
            value = paced_json(again)
            of = {"subtype": "tool-call", "entityId": call.id}
            said.append({"type": "REASONING_ENCRYPTED_VALUE", **of, "encryptedValue": value})
        return said

    def _data(self, part: Mapping[str, Any]) -> list[Words]:
        value = {"data": part["data"], "id": part["id"]}
        return [{"type": "CUSTOM", "name": part["name"], "value": value}]

    def _source(self, url: str, title: str | None) -> list[Words]:
        return [{"type": "CUSTOM", "name": "source", "value": {"url": url, "title": title}}]

    def _picture(self, url: str) -> list[Words]:
        return [{"type": "CUSTOM", "name": "image", "value": {"url": url}}]

    def _complete(self, data: Mapping[str, Any]) -> list[Words]:
        result = {"usage": data.get("usage"), "cost": data.get("cost")}
        return [
            {"type": "STEP_FINISHED", "stepName": _STEP},
            {
                "type": "RUN_FINISHED",
                **self._ids(),
                "result": result,
                "outcome": {"type": "success"},
            },
        ]

    def _cancel(self, data: Mapping[str, Any]) -> list[Words]:
        return [{"type": "RUN_ERROR", "message": f"cancelled by {data['by']}", "code": "cancelled"}]

    def _fail(self, problem: Mapping[str, Any]) -> list[Words]:
        return [{"type": "RUN_ERROR", "message": problem["message"], "code": problem["code"]}]
