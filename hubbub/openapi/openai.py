"""OpenAI's interface (contract §5). Its own reference says what the bodies may hold: here stands
what the hub itself reads of them, and what it adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hub.settings import Settings
from hubbub.openapi.channels import stream
from hubbub.openapi.generations import MESSAGE, STOP, TOOL
from hubbub.openapi.values import (
    ANYTHING,
    BOOLEAN,
    COUNT,
    IDEMPOTENCY_KEY,
    JSON,
    NUMBER,
    STRING,
    Answer,
    Body,
    Media,
    Operation,
    Schema,
    header,
    json_answer,
    list_of,
    optional_record,
    or_null,
    path,
    query,
    record,
    ref,
    whole,
    words,
)
from workers.openai.chat import CANCEL_HEADER, HEADER
from workers.openai.chat_request import LEAST_TOKENS, MAX_CHOICES
from workers.openai.input_items import DEFAULT_LIMIT, MAX_LIMIT
from workers.openai.responses import MAX_SEQUENCE_NUMBER
from workers.request import MAX_TEMPERATURE, MAX_TOKENS

TAG = "openai"

PASSED_ON = frozenset({400, 404, 413, 422, 429, 502, 504})
"""How a provider's failure before any content is answered."""

_NAMED = {HEADER: "The generation's id: it can be watched, and resumed."}
_TEMPERATURE = or_null({"type": "number", "minimum": 0, "maximum": MAX_TEMPERATURE})
_TOKENS = or_null({"type": "number", "minimum": LEAST_TOKENS, "maximum": MAX_TOKENS})
_WISHES = or_null(optional_record({"cancel_on_disconnect": or_null(BOOLEAN)}, closed=True))
_CANCEL = header(CANCEL_HEADER, words("0", "1"), "`1`: this client's leaving stops it.")
_RESPONSE = path("response_id", STRING, "The response's id.")
_LEFT = {"description": "Anything else is passed on to the provider."}

SCHEMAS: Mapping[str, Schema] = {
    "ChatRequest": {
        **record(
            {
                "messages": list_of(MESSAGE, minItems=1),
                "model": or_null(STRING),
                "stream": or_null(BOOLEAN),
                "stream_options": or_null(optional_record({"include_usage": or_null(BOOLEAN)})),
                "temperature": _TEMPERATURE,
                "max_tokens": _TOKENS,
                "n": or_null({"type": "number", "minimum": 1, "maximum": MAX_CHOICES}),
                "stop": or_null(STOP),
                "tools": or_null(list_of(TOOL)),
                "hubbub": _WISHES,
            },
            optional=(
                "model",
                "stream",
                "stream_options",
                "temperature",
                "max_tokens",
                "n",
                "stop",
                "tools",
                "hubbub",
            ),
        ),
        **_LEFT,
    },
    "ChatCompletion": record(
        {
            "id": STRING,
            "object": {"const": "chat.completion"},
            "created": COUNT,
            "model": STRING,
            "choices": list_of(
                record({"index": COUNT, "message": {"type": "object"}, "finish_reason": STRING})
            ),
            "usage": ANYTHING,
        },
        optional=("usage",),
    ),
    "ResponseRequest": {
        **optional_record(
            {
                "input": {"anyOf": [STRING, list_of({"type": "object"}), {"type": "null"}]},
                "instructions": or_null(STRING),
                "model": or_null(STRING),
                "previous_response_id": or_null(STRING),
                "stream": or_null(BOOLEAN),
                "background": or_null(BOOLEAN),
                "store": or_null(BOOLEAN),
                "temperature": _TEMPERATURE,
                "max_output_tokens": _TOKENS,
                "hubbub": _WISHES,
            }
        ),
        **_LEFT,
    },
    "Response": record(
        {
            "id": STRING,
            "object": {"const": "response"},
            "created_at": COUNT,
            "status": words(
                "queued", "in_progress", "completed", "failed", "cancelled", "incomplete"
            ),
            "model": STRING,
            "output": list_of(record({"type": STRING})),
            "error": or_null(record({"code": STRING, "message": STRING})),
            "usage": or_null({"type": "object"}),
        }
    ),
    "Model": record(
        {"id": STRING, "object": {"const": "model"}, "created": NUMBER, "owned_by": STRING}
    ),
}

_CHAT = {"messages": [{"role": "user", "content": "salt"}]}


def operations(settings: Settings) -> Sequence[Operation]:
    most = settings.max_request_bytes
    unknown = frozenset({404})
    items = {"object": {"const": "list"}, "data": list_of({"type": "object"}), "has_more": BOOLEAN}
    model = path("name", STRING, "The model's name, slashes included.")
    return (
        Operation(
            "POST",
            "/v1/chat/completions",
            "A chat completion, whole or as a stream",
            {200: _whole_or_stream("ChatCompletion")},
            (IDEMPOTENCY_KEY, _CANCEL),
            Body({JSON: Media(ref("ChatRequest"), _CHAT)}, most),
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
            Body({JSON: Media(record({"input": ANYTHING}), {"input": "salt"})}, most),
            refused=PASSED_ON,
        ),
        Operation(
            "POST",
            "/v1/responses",
            "A response: whole, as a stream, or in the background",
            {200: _whole_or_stream("Response")},
            (IDEMPOTENCY_KEY, _CANCEL),
            Body({JSON: Media(ref("ResponseRequest"), {"input": "salt"})}, most),
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
            {200: json_answer("", record({"id": STRING, "deleted": BOOLEAN}), _NAMED)},
            (_RESPONSE,),
            refused=unknown,
        ),
    )


def _whole_or_stream(schema: str) -> Answer:
    forms = {JSON: Media(ref(schema)), **stream("", {}).forms}
    return Answer("Whole, or its events with `stream: true`.", forms, _NAMED)
