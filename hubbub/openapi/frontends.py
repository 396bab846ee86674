"""The faces for front ends (contract §5): `useChat()` of the AI SDK, and AG-UI."""

from __future__ import annotations

from collections.abc import Sequence

from hub.settings import Settings
from hubbub.openapi.channels import stream
from hubbub.openapi.values import IDEMPOTENCY_KEY, STRING, Answer, Operation, body_of, path, shapes
from workers.faces.ai_sdk import Chat
from workers.faces.run_input import ConnectInput, RunAgentInput

TAG = "front ends"

_CHAT = path("chat_id", STRING, "The chat's id, as its page chose it.")
SCHEMAS = shapes(Chat, RunAgentInput, ConnectInput)


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
            body_of(Chat, {"id": "c1", "messages": asked}, most),
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
            body_of(RunAgentInput, run, most),
            refused=asking,
        ),
        Operation(
            "POST",
            "/ag-ui/connect",
            "AG-UI: the thread's newest run, from its start",
            {**answer, **seen},
            (),
            body_of(ConnectInput, {"threadId": "t1"}, most),
            refused=frozenset({404}),
        ),
    )
