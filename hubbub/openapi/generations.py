"""Generations and the conversations that hold them together (contract §4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hub.settings import Settings
from hubbub.openapi.channels import ENDED, OWN_EVENTS, stream, subscribe_parameters
from hubbub.openapi.values import (
    ANYTHING,
    BOOLEAN,
    COUNT,
    EVENT_STREAM,
    IDEMPOTENCY_KEY,
    JSON,
    NDJSON,
    NUMBER,
    STRING,
    TIME,
    Answer,
    Body,
    Media,
    Operation,
    Schema,
    body_of,
    header,
    json_answer,
    list_of,
    map_of,
    matching,
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
from workers import thread_views
from workers.dialects import DIALECTS
from workers.generation import ACTIVE
from workers.generation import ENDED as ENDS
from workers.producers.views import MAX_SEQUENCE, SEQUENCE
from workers.request import (
    MAX_METADATA,
    MAX_METADATA_NAME,
    MAX_METADATA_TEXT,
    QUESTION_SHOWN,
    NewGeneration,
)
from workers.threads import MAX_TURNS, THREAD_KEY
from workers.views import DEFAULT_LIST, MAX_LIST, MAX_SHARE_BYTES, ShareOptions

TAG = "generations"

STATUS = words(*sorted(ACTIVE | ENDS))
USAGE = or_null({"type": "object", "description": "Tokens, as OpenAI has them."})
METADATA = map_of(
    {"type": "string", "maxLength": MAX_METADATA_TEXT},
    maxProperties=MAX_METADATA,
    propertyNames={"maxLength": MAX_METADATA_NAME},
    description="`thread` and `parent` put it into a conversation.",
)
_ID = path("generation_id", STRING, "The generation's id.")
_THREAD = path("thread_id", matching(THREAD_KEY), "The conversation's id.")
_FORMAT = query("format", words("events", *DIALECTS), "How it is told. Default `events`.")

_IN_LIST: Mapping[str, Schema] = {
    "id": STRING,
    "status": STATUS,
    "model": or_null(STRING),
    "created": TIME,
    "started": or_null(TIME),
    "finished": or_null(TIME),
    "attempt": COUNT,
    "usage": USAGE,
    "cost": or_null(NUMBER),
    "error": or_null(ref("Failed")),
    "question": {"type": "string", "maxLength": QUESTION_SHOWN},
    "metadata": METADATA,
    "page": STRING,
    "listeners": COUNT,
}
_QUESTION = {"prompt": "salt"}
_SAID = {"index": COUNT, "content": STRING, "reasoning": STRING, "tool_calls": list_of(ANYTHING)}
_SUMMARY: Mapping[str, Schema] = {
    "id": STRING,
    "name": STRING,
    "created": TIME,
    "updated": TIME,
    "turns": COUNT,
}
_PART = record({"name": STRING, "data": ANYTHING, "id": or_null(STRING)})

SCHEMAS: Mapping[str, Schema] = {
    **shapes(NewGeneration, ShareOptions, thread_views.Rename),
    "Accepted": record(
        {
            "id": STRING,
            "status": STATUS,
            "channel": STRING,
            "events": STRING,
            "page": STRING,
            "created": TIME,
            "deltas": {"type": "string", "description": "Where a producer's answer goes."},
            "lease_seconds": NUMBER,
        },
        optional=("deltas", "lease_seconds"),
    ),
    "Generation": record(
        {
            **_IN_LIST,
            "choices": list_of(told_on({**_SAID, "finish_reason": or_null(STRING)})),
            "data": list_of(_PART),
            "ahead": or_null({"type": "integer", "description": "How many wait in front of it."}),
        },
        optional=("data", "ahead"),
    ),
    "GenerationInList": record(_IN_LIST),
    "Produced": record({"id": STRING, "status": STATUS, "next_sequence": COUNT}),
    "ShareLink": record(
        {"url": {"type": "string", "format": "uri"}, "expires": or_null(TIME), "jti": STRING},
        optional=("jti",),
    ),
    "ThreadInList": record(_SUMMARY),
    "Thread": record(
        {
            **_SUMMARY,
            "channel": STRING,
            "generations": list_of(
                record({"id": STRING, "parent": or_null(STRING), "created": TIME}),
                maxItems=MAX_TURNS,
            ),
        }
    ),
    "Started": record({"id": STRING, "model": or_null(STRING), "attempt": COUNT, "created": TIME}),
    "Delta": told_on(
        {
            "index": COUNT,
            "content": STRING,
            "reasoning": STRING,
            "refusal": STRING,
            "tool_calls": list_of(ANYTHING),
        },
        optional=("content", "reasoning", "refusal", "tool_calls"),
    ),
    "Data": _PART,
    "Snapshot": told_on({"attempt": COUNT, "choices": list_of(told_on(_SAID)), "status": STATUS}),
    "Restarted": record({"attempt": COUNT, "reason": STRING}),
    "Completed": record(
        {
            "choices": list_of(record({"index": COUNT, "finish_reason": or_null(STRING)})),
            "usage": USAGE,
            "cost": or_null(NUMBER),
        }
    ),
    "Failed": record({"code": STRING, "message": STRING, "retryable": BOOLEAN}),
    "Cancelled": record({"by": STRING}),
}

EVENTS = {
    **OWN_EVENTS,
    "started": ref("Started"),
    "data": ref("Data"),
    "delta": ref("Delta"),
    "snapshot": ref("Snapshot"),
    "restarted": ref("Restarted"),
    "completed": ref("Completed"),
    "failed": ref("Failed"),
    "cancelled": ref("Cancelled"),
}


def operations(settings: Settings) -> Sequence[Operation]:
    told = subscribe_parameters(settings)
    accepted = Media(ref("Accepted"))
    place = {"Location": "The generation's own address."}
    one = json_answer("Of this moment.", ref("Generation"))
    unknown = frozenset({404})
    sequence = header(
        SEQUENCE, whole(0, MAX_SEQUENCE), "The first line's number: sending again stores once."
    )
    return (
        Operation(
            "POST",
            "/generations",
            "Ask; with `Accept: text/event-stream` the answer is the stream",
            {
                202: Answer("It waits for a worker.", {JSON: accepted}, place),
                201: Answer("It waits for its producer.", {JSON: accepted}, place),
                200: Answer(
                    "The stream, or what was accepted before under this Idempotency-Key.",
                    {JSON: accepted, **stream("", EVENTS).forms},
                    place,
                ),
            },
            (_FORMAT, IDEMPOTENCY_KEY, *told),
            body_of(NewGeneration, _QUESTION, settings.max_request_bytes),
            refused=frozenset({404, 429}),
        ),
        Operation(
            "GET",
            "/generations",
            "One's own generations, the newest first",
            {200: json_answer("", record({"generations": list_of(ref("GenerationInList"))}))},
            (query("limit", whole(1, MAX_LIST, default=DEFAULT_LIST), "How many."),),
        ),
        Operation(
            "GET",
            "/generations/{generation_id}",
            "A generation with all its text so far",
            {200: one},
            (_ID,),
            refused=unknown,
        ),
        Operation(
            "GET",
            "/generations/{generation_id}/question",
            "What was asked last, as it was given",
            {200: json_answer("", record({"content": ANYTHING}))},
            (_ID,),
            refused=unknown,
        ),
        Operation(
            "GET",
            "/generations/{generation_id}/events",
            "Watch a generation",
            {200: stream("What there is, then what comes, to the end.", EVENTS), 204: ENDED},
            (_ID, _FORMAT, *told),
            refused=unknown,
            by_query=True,
        ),
        Operation(
            "POST",
            "/generations/{generation_id}/deltas",
            "Answer a generation of one's own, line by line",
            {
                200: json_answer(
                    "All of it is stored.",
                    ref("Produced"),
                    {SEQUENCE: "The number of the next line; on refusals, too."},
                )
            },
            (_ID, sequence),
            Body(
                {
                    NDJSON: Media(STRING, '{"content":"salt"}\n'),
                    EVENT_STREAM: Media({"type": "string", "description": "OpenAI's chunks."}),
                },
                None,
            ),
            refused=frozenset({404, 409}),
        ),
        Operation(
            "POST",
            "/generations/{generation_id}/cancel",
            "Stop a generation, for all who watch",
            {200: one},
            (_ID,),
            refused=unknown,
        ),
        Operation(
            "DELETE",
            "/generations/{generation_id}",
            "Forget a generation",
            {204: Answer("Forgotten.")},
            (_ID,),
            refused=unknown,
        ),
        Operation(
            "POST",
            "/generations/{generation_id}/share",
            "A link to the generation's page",
            {200: json_answer("", ref("ShareLink"))},
            (_ID,),
            body_of(ShareOptions, {"ttl_seconds": 60}, MAX_SHARE_BYTES, required=False),
            refused=unknown,
        ),
        *_threads(),
    )


def _threads() -> Sequence[Operation]:
    limit = whole(1, thread_views.MAX_LIST, default=thread_views.DEFAULT_LIST)
    unknown = frozenset({404})
    one = json_answer("With the ids of its turns.", ref("Thread"))
    return (
        Operation(
            "GET",
            "/threads",
            "One's own conversations, the latest first",
            {200: json_answer("", record({"threads": list_of(ref("ThreadInList"))}))},
            (query("limit", limit, "How many."),),
        ),
        Operation(
            "GET", "/threads/{thread_id}", "A conversation", {200: one}, (_THREAD,), refused=unknown
        ),
        Operation(
            "PATCH",
            "/threads/{thread_id}",
            "Rename a conversation",
            {200: one},
            (_THREAD,),
            body_of(thread_views.Rename, {"name": "Salt"}, thread_views.MAX_BODY_BYTES),
            refused=unknown,
        ),
        Operation(
            "DELETE",
            "/threads/{thread_id}",
            "Forget a conversation and its generations",
            {204: Answer("Forgotten.")},
            (_THREAD,),
            refused=unknown,
        ),
    )
