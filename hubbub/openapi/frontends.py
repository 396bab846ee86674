"""The faces for front ends (contract §5): `useChat()` of the AI SDK, and AG-UI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hub.settings import Settings
from hubbub.openapi.channels import stream
from hubbub.openapi.values import (
    IDEMPOTENCY_KEY,
    JSON,
    STRING,
    Answer,
    Body,
    Media,
    Operation,
    Schema,
    list_of,
    or_null,
    path,
    record,
    ref,
)
from workers.faces.parameters import MAX_NAME

TAG = "front ends"

_NAME = {"type": "string", "minLength": 1, "maxLength": MAX_NAME}
_CHAT = path("chat_id", _NAME, "The chat's id, as its page chose it.")
_UI_MESSAGE = record({"role": STRING, "parts": list_of(record({"type": STRING}))})
_MESSAGES = list_of({"type": "object"})

SCHEMAS: Mapping[str, Schema] = {
    "Chat": record(
        {
            "id": _NAME,
            "messages": list_of(_UI_MESSAGE, minItems=1),
            "trigger": or_null(STRING),
            "messageId": or_null(STRING),
        },
        optional=("trigger", "messageId"),
    ),
    "RunAgentInput": record(
        {
            "threadId": _NAME,
            "runId": _NAME,
            "messages": _MESSAGES,
            "tools": or_null(_MESSAGES),
            "context": or_null(_MESSAGES),
            "state": {},
            "forwardedProps": {},
        },
        optional=("tools", "context", "state", "forwardedProps"),
    ),
}


def operations(settings: Settings) -> Sequence[Operation]:
    most = settings.max_request_bytes
    asked = [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "salt"}]}]
    run = {
        "threadId": "t1",
        "runId": "r1",
        "messages": [{"id": "m1", "role": "user", "content": "salt"}],
    }
    answer = {200: stream("The answer, in the protocol's own events.", {})}
    seen = {204: Answer("It has ended and was seen.")}
    asking = frozenset({404, 429})
    return (
        Operation(
            "POST",
            "/api/chat",
            "The AI SDK: ask; the answer is the stream",
            {**answer, **seen},
            (IDEMPOTENCY_KEY,),
            Body({JSON: Media(ref("Chat"), {"id": "c1", "messages": asked})}, most),
            refused=asking,
        ),
        Operation(
            "GET",
            "/api/chat/{chat_id}/stream",
            "The AI SDK: the running answer from its start",
            {**answer, 204: Answer("Nothing runs.")},
            (_CHAT,),
            refused=frozenset({404}),
        ),
        Operation(
            "POST",
            "/api/chat/{chat_id}/stop",
            "The AI SDK: stop the answer, for all who watch",
            {204: Answer("Nothing runs any more.")},
            (_CHAT,),
            refused=frozenset({404}),
        ),
        Operation(
            "POST",
            "/ag-ui",
            "AG-UI: begin a run; the answer is its stream",
            {**answer, **seen},
            (IDEMPOTENCY_KEY,),
            Body({JSON: Media(ref("RunAgentInput"), run)}, most),
            refused=asking,
        ),
        Operation(
            "POST",
            "/ag-ui/connect",
            "AG-UI: the thread's newest run, from its start",
            {**answer, **seen},
            (),
            Body({JSON: Media(record({"threadId": _NAME}), {"threadId": "t1"})}, most),
            refused=frozenset({404}),
        ),
    )
