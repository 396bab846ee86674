"""Channels (contract §2, §3): subscribe, publish, inform, delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hub.channel import CHANNEL_NAME
from hub.event import TYPE_SCHEMA, NewEvent
from hub.fanout.subscribe import (
    HEARTBEAT_STYLES,
    MAX_CHANNELS,
    MAX_HEARTBEAT_SECONDS,
    STARTS,
)
from hub.settings import Settings
from hub.web.channels import MAX_HISTORY
from hub.web.publishing import MAX_BATCH_BYTES, MAX_BATCH_EVENTS, json_body_bytes
from hubbub.openapi.values import (
    ANYTHING,
    BOOLEAN,
    COUNT,
    EVENT_STREAM,
    IDEMPOTENCY_KEY,
    JSON,
    NDJSON,
    STRING,
    TEXT,
    TIME,
    Answer,
    Body,
    Media,
    Operation,
    Parameter,
    Schema,
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
    whole,
    words,
)

TAG = "channels"

_NAME = matching(CHANNEL_NAME)
_CHANNEL = path("channel", _NAME, "The channel's name.")
_REASON = words("trimmed", "expired", "deleted", "unknown-id")
_EVENT = {"event": "notice", "data": {"title": "Released"}}

SCHEMAS: Mapping[str, Schema] = {
    **shapes(NewEvent),
    "Published": record({"id": STRING, "channel": _NAME}),
    "PublishedBatch": record({"ids": list_of(STRING, maxItems=MAX_BATCH_EVENTS)}),
    "Channel": record(
        {
            "channel": _NAME,
            "listeners": COUNT,
            "last_event_id": or_null(STRING),
            "oldest_event_id": or_null(STRING),
            "retained": COUNT,
        }
    ),
    "HistoryPage": record(
        {
            "events": list_of(
                record({"id": STRING, "event": STRING, "data": STRING, "time": TIME}),
                maxItems=MAX_HISTORY,
            ),
            "complete": {"type": "boolean", "description": "Nothing after `after` is missing."},
            "next": or_null({"type": "string", "description": "`after` of the next page."}),
        }
    ),
    "Subscribed": record(
        {
            "channels": map_of(
                record(
                    {
                        "recovered": BOOLEAN,
                        "replayed": COUNT,
                        "reason": or_null(_REASON),
                        "last_event_id": or_null(STRING),
                    }
                )
            ),
            "heartbeat_seconds": COUNT,
        }
    ),
    "Heartbeat": record({"time": TIME, "listeners": map_of(COUNT)}),
    "Gap": record({"channel": _NAME, "after": STRING, "reason": _REASON}),
    "Closing": record(
        {
            "reason": words(
                "shutdown", "overloaded", "token-expired", "revoked", "stalled", "gone"
            ),
            "reconnect": BOOLEAN,
        }
    ),
}

OWN_EVENTS = {
    "subscribed": ref("Subscribed"),
    "heartbeat": ref("Heartbeat"),
    "gap": ref("Gap"),
    "closing": ref("Closing"),
}
"""The data of the hub's own events, by their names."""


def stream(says: str, events: Mapping[str, Schema] = OWN_EVENTS) -> Answer:
    """An answer that goes on. OpenAPI 3.1 has no word for the events of a stream: the extension
    `x-events` has the schema of each one's data, by the event's name."""
    return Answer(says, {EVENT_STREAM: Media(ANYTHING, more={"x-events": events})})


ENDED = Answer("Everything has ended and was seen: an EventSource stops for good.")


def subscribe_parameters(settings: Settings) -> Sequence[Parameter]:
    """What a client may ask of a stream."""
    last = "Resume after this event. The header wins over the query."
    flag = words("0", "1")
    return (
        header("Last-Event-ID", STRING, last),
        query("last_event_id", STRING, f"{last} Also `lastEventId`."),
        query("from", words(*STARTS), "Where a listener without an id begins."),
        query(
            "heartbeat",
            whole(1, MAX_HEARTBEAT_SECONDS, default=settings.heartbeat_seconds),
            "Seconds between heartbeats on this connection.",
        ),
        query("heartbeat_style", words(*HEARTBEAT_STYLES), "Default `event`."),
        query("envelope", flag, "Every event as `message`: `{channel, event, data}`."),
        query("quiet", flag, "None of the hub's own events; heartbeats are comments."),
        query("overload", words("200", "503"), "`503`: say so by the status."),
    )


def operations(settings: Settings) -> Sequence[Operation]:
    told = subscribe_parameters(settings)
    listed = (
        query(
            "channel",
            list_of(_NAME, minItems=1),
            f"1 to {MAX_CHANNELS} different channels.",
            required=True,
        ),
        query("after", list_of(STRING), "A position in each channel, in the list's order."),
        *told,
    )
    event = ref("NewEvent")
    forms = {
        JSON: Media(event, _EVENT),
        TEXT: Media(STRING, "Released"),
        NDJSON: Media(
            {"type": "string", "description": f"At most {MAX_BATCH_EVENTS} events, one a line."},
            '{"data":"one"}\n{"data":"two"}\n',
        ),
    }
    either = {"oneOf": [ref("Published"), ref("PublishedBatch")]}
    most = max(json_body_bytes(settings), MAX_BATCH_BYTES)
    return (
        Operation(
            "GET",
            "/channels/{channel}/events",
            "Subscribe to one channel",
            {200: stream("The verdict, what was missed, then what comes."), 204: ENDED},
            (_CHANNEL, *told),
            refused=frozenset({400, 404}),
            by_query=True,
        ),
        Operation(
            "GET",
            "/events",
            "Subscribe to several channels on one connection",
            {200: stream("As one channel; each event names its own."), 204: ENDED},
            listed,
            refused=frozenset({404}),
            by_query=True,
        ),
        Operation(
            "POST",
            "/channels/{channel}/events",
            "Publish an event, or many as NDJSON",
            {
                201: json_answer("Stored.", either),
                200: json_answer("Stored before under this Idempotency-Key.", either),
            },
            (
                _CHANNEL,
                query(
                    "event",
                    {"type": "string", **TYPE_SCHEMA},
                    "The type, where the body is text/plain.",
                ),
                IDEMPOTENCY_KEY,
            ),
            Body(forms, most),
            refused=frozenset({429}),
        ),
        Operation(
            "GET",
            "/channels/{channel}",
            "What is known of a channel",
            {200: json_answer("Of this moment.", ref("Channel"))},
            (_CHANNEL,),
            refused=frozenset({400, 404}),
        ),
        Operation(
            "GET",
            "/channels/{channel}/history",
            "What is retained, as pages",
            {200: json_answer("One page.", ref("HistoryPage"))},
            (
                _CHANNEL,
                query("after", STRING, "The event in front of the page."),
                query("limit", whole(1, MAX_HISTORY, default=MAX_HISTORY), "Events in a page."),
            ),
            refused=frozenset({404}),
        ),
        Operation(
            "DELETE",
            "/channels/{channel}",
            "Forget a channel's history; its listeners are told by a `gap`",
            {204: Answer("Forgotten.")},
            (_CHANNEL,),
            refused=frozenset({400, 404}),
        ),
    )
