"""OpenAI's interface (contract §5). Its own reference says what the bodies may hold: here stands
what the hub itself reads of them, and what it adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hub.settings import Settings
from hubbub.openapi.channels import stream
from hubbub.openapi.values import (
    ANYTHING,
    BOOLEAN,
    COUNT,
    IDEMPOTENCY_KEY,
    JSON,
    NUMBER,
    STRING,
    Answer,
    Media,
    Operation,
    Schema,
    body_of,
    header,
    json_answer,
    list_of,
    or_null,
    path,
    query,
    record,
    ref,
    shapes,
    told_on,
    whole,
    words,
)
from workers.openai.chat import CANCEL_HEADER, HEADER
from workers.openai.chat_request import ChatRequest
from workers.openai.embeddings import EmbeddingsRequest
from workers.openai.input_items import DEFAULT_LIMIT, MAX_LIMIT
from workers.openai.responses import MAX_SEQUENCE_NUMBER
from workers.openai.responses_request import ResponseRequest
from workers.openai.responses_view import ECHOED

TAG = "openai"

PASSED_ON = frozenset({400, 404, 413, 422, 429, 502, 504})
"""How a provider's failure before any content is answered."""

_NAMED = {HEADER: "The generation's id: it can be watched, and resumed."}
_CANCEL = header(CANCEL_HEADER, words("0", "1"), "`1`: this client's leaving stops it.")
_RESPONSE = path("response_id", STRING, "The response's id.")

_ITEM = told_on({"type": STRING, "id": STRING})

SCHEMAS: Mapping[str, Schema] = {
    **shapes(ChatRequest, ResponseRequest, EmbeddingsRequest),
    "ChatCompletion": told_on(
        {
            "id": STRING,
            "object": {"const": "chat.completion"},
            "created": COUNT,
            "model": STRING,
            "choices": list_of(
                told_on(
                    {
                        "index": COUNT,
                        "message": {"type": "object"},
                        "logprobs": or_null({"type": "object"}),
                        "finish_reason": STRING,
                    }
                )
            ),
            "usage": ANYTHING,
        },
        optional=("usage",),
    ),
    "Response": told_on(
        {
            "id": STRING,
            "object": {"const": "response"},
            "created_at": COUNT,
            "completed_at": or_null(COUNT),
            "status": words(
                "queued", "in_progress", "completed", "failed", "cancelled", "incomplete"
            ),
            "model": STRING,
            "output": list_of(_ITEM),
            "error": or_null(record({"code": STRING, "message": STRING})),
            "incomplete_details": or_null(record({"reason": STRING})),
            "usage": or_null({"type": "object"}),
            "store": BOOLEAN,
            "tools": list_of({"type": "object"}),
            "service_tier": STRING,
            **dict.fromkeys(ECHOED, ANYTHING),
        }
    ),
    "Model": record(
        {"id": STRING, "object": {"const": "model"}, "created": NUMBER, "owned_by": STRING}
    ),
}

_CHAT = {"messages": [{"role": "user", "content": "salt"}]}
_INPUT = {"input": "salt"}


def operations(settings: Settings) -> Sequence[Operation]:
    most = settings.max_request_bytes
    unknown = frozenset({404})
    items = {
        "object": {"const": "list"},
        "data": list_of(_ITEM),
        "first_id": or_null(STRING),
        "last_id": or_null(STRING),
        "has_more": BOOLEAN,
    }
    deleted = {"id": STRING, "object": {"const": "response"}, "deleted": BOOLEAN}
    model = path("name", STRING, "The model's name, slashes included.")
    return (
        Operation(
            "POST",
            "/v1/chat/completions",
            "A chat completion, whole or as a stream",
            {200: _whole_or_stream("ChatCompletion")},
            (IDEMPOTENCY_KEY, _CANCEL),
            body_of(ChatRequest, _CHAT, most),
            refused=PASSED_ON,
        ),
        Operation(
            "GET",
            "/v1/models",
            "What may be asked for",
            {
                200: json_answer(
                    "", record({"object": {"const": "list"}, "data": list_of(ref("Model"))})
                )
            },
            refused=frozenset({502}),
        ),
        Operation(
            "GET",
            "/v1/models/{name}",
            "One model",
            {200: json_answer("", ref("Model"))},
            (model,),
            refused=unknown | {502},
        ),
        Operation(
            "POST",
            "/v1/embeddings",
            "Passed through to the provider",
            {200: json_answer("What the provider says.", {"type": "object"})},
            (),
            body_of(EmbeddingsRequest, _INPUT, most),
            refused=PASSED_ON,
        ),
        Operation(
            "POST",
            "/v1/responses",
            "A response: whole, as a stream, or in the background",
            {200: _whole_or_stream("Response")},
            (IDEMPOTENCY_KEY, _CANCEL),
            body_of(ResponseRequest, _INPUT, most),
            refused=PASSED_ON,
        ),
        Operation(
            "GET",
            "/v1/responses/{response_id}",
            "A response as far as it has come",
            {200: _whole_or_stream("Response"), 204: Answer("The stream has been seen.")},
            (
                _RESPONSE,
                query("stream", words("true", "false", "1", "0"), "Its events."),
                query(
                    "starting_after",
                    whole(0, MAX_SEQUENCE_NUMBER),
                    "The sequence number of the last event that the client has.",
                ),
            ),
            refused=unknown,
        ),
        Operation(
            "GET",
            "/v1/responses/{response_id}/input_items",
            "What a response was asked",
            {200: json_answer("One page.", record(items), _NAMED)},
            (
                _RESPONSE,
                query("limit", whole(1, MAX_LIMIT, default=DEFAULT_LIMIT), "Items in a page."),
                query("order", words("desc", "asc"), "Default `desc`."),
                query("after", STRING, "The item in front of the page."),
            ),
            refused=unknown,
        ),
        Operation(
            "POST",
            "/v1/responses/{response_id}/cancel",
            "Stop a response",
            {200: json_answer("", ref("Response"), _NAMED)},
            (_RESPONSE,),
            refused=unknown,
        ),
        Operation(
            "DELETE",
            "/v1/responses/{response_id}",
            "Forget a response",
            {200: json_answer("", record(deleted), _NAMED)},
            (_RESPONSE,),
            refused=unknown,
        ),
    )


def _whole_or_stream(schema: str) -> Answer:
    forms = {JSON: Media(ref(schema)), **stream("", {}).forms}
    return Answer("Whole, or its events with `stream: true`.", forms, _NAMED)
