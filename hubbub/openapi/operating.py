"""Tokens, health, figures, pages, and the document itself (contract §7, §8, §10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields

from prometheus_client import CONTENT_TYPE_LATEST

from hub.past import Sample
from hub.web import sessions
from hub.web.status_data import FIGURES, REDIS_FIGURES
from hubbub.openapi.values import (
    ANYTHING,
    BOOLEAN,
    COUNT,
    EVENT_STREAM,
    NUMBER,
    STRING,
    TIME,
    Answer,
    Media,
    Operation,
    Schema,
    body_of,
    json_answer,
    list_of,
    map_of,
    or_null,
    page_answer,
    path,
    query,
    record,
    ref,
    shapes,
    whole,
)
from workers.status import LISTED

TAG = "operating"
PATH = "/openapi.json"
"""Where the document is."""

_PATTERNS = list_of({"type": "string", "description": "A channel; a trailing `*` is a prefix."})

_FIGURES = dict.fromkeys(FIGURES, NUMBER)
_COUNTS = list_of(record({"seconds": or_null(NUMBER), "count": NUMBER}))
_SAMPLE = record({one.name: or_null(NUMBER) for one in fields(Sample)})
_REDIS: Mapping[str, Schema] = {
    **dict.fromkeys(REDIS_FIGURES.values(), ANYTHING),
    "milliseconds": NUMBER,
    "problem": {"type": "string", "description": "Why it does not answer."},
}

SCHEMAS: Mapping[str, Schema] = {
    **shapes(sessions.SignIn),
    "Session": record(
        {
            "required": {"type": "boolean", "description": "Whether this hub asks for tokens."},
            "signed_in": BOOLEAN,
            "subject": or_null(STRING),
            "expires": or_null(TIME),
            "subscribe": _PATTERNS,
            "publish": _PATTERNS,
            "generate": BOOLEAN,
            "admin": BOOLEAN,
        }
    ),
    "Health": record(
        {
            "status": STRING,
            "version": STRING,
            "detail": STRING,
            "warnings": list_of(STRING),
            "unwell": list_of(STRING),
            "hint": STRING,
        },
        optional=("version", "detail", "warnings", "unwell", "hint"),
    ),
    "StatusData": record(
        {
            "time": TIME,
            "figures": record(_FIGURES),
            "replays": map_of(NUMBER),
            "lag": _COUNTS,
            "processes": list_of(record({"pid": COUNT, **_FIGURES})),
            "sample": or_null(_SAMPLE),
            "past": list_of(_SAMPLE),
            "redis": record(_REDIS, optional=tuple(_REDIS)),
            "jobs": map_of(COUNT),
            "generations": map_of(NUMBER),
            "first_delta": _COUNTS,
            "workers": list_of(record({"name": STRING, "jobs": COUNT, "lease_seconds": NUMBER})),
            "recent": list_of(record(dict.fromkeys(LISTED, ANYTHING))),
        },
        optional=("past", "jobs", "generations", "first_delta", "workers", "recent"),
    ),
}


def operations() -> Sequence[Operation]:
    return (*_tokens(), *_health(), *_pages())


def _tokens() -> Sequence[Operation]:
    told = json_answer("Who one is, and what one may.", ref("Session"))
    until = whole(0, sessions.LAST_SECOND)
    name = path("name", {"type": "string", "maxLength": sessions.MAX_NAME}, "The token's `jti`.")
    return (
        Operation("GET", "/session", "Who one is", {200: told}, open_to_all=True),
        Operation(
            "POST",
            "/session",
            "Sign in: the token goes into a cookie",
            {200: told},
            (),
            body_of(sessions.SignIn, {"token": "…"}, sessions.MAX_BODY_BYTES),
            refused=frozenset({401}),
            open_to_all=True,
        ),
        Operation(
            "DELETE",
            "/session",
            "Sign out",
            {204: Answer("The cookie is gone.")},
            open_to_all=True,
        ),
        Operation(
            "DELETE",
            "/tokens/{name}",
            "Revoke a token, or a share link; its streams end",
            {204: Answer("It counts no more.")},
            (name, query("exp", until, "When it would end by itself, in seconds since the epoch.")),
            refused=frozenset({404}),
        ),
    )


def _health() -> Sequence[Operation]:
    health = ref("Health")
    figures = {CONTENT_TYPE_LATEST: Media(STRING)}
    return (
        Operation(
            "GET",
            "/healthz",
            "This process lives",
            {200: json_answer("It does.", health)},
            open_to_all=True,
        ),
        Operation(
            "GET",
            "/readyz",
            "It can work",
            {
                200: json_answer("It can.", health),
                503: json_answer("The first thing that is not ready.", health),
            },
            open_to_all=True,
        ),
        Operation("GET", "/metrics", "Prometheus' text", {200: Answer("Sums.", figures)}),
        Operation(
            "GET",
            "/status/data",
            "How the hub is",
            {200: json_answer("Of this moment.", ref("StatusData"))},
        ),
        Operation(
            "GET",
            "/status/events",
            "The same, live: events `status` every two seconds",
            {200: Answer("The stream.", {EVENT_STREAM: Media(ANYTHING)})},
        ),
        Operation(
            "GET",
            PATH,
            "This document",
            {200: json_answer("OpenAPI 3.1.", {"type": "object"})},
            open_to_all=True,
        ),
    )


def _pages() -> Sequence[Operation]:
    page = {200: page_answer("The page.")}
    unsigned = page_answer("The page, which asks for a token.")
    name = path("filename", STRING, "The file's path.")
    one = path("generation_id", STRING, "The generation's id.")
    return (
        Operation("GET", "/", "Ask, and read on", page, open_to_all=True),
        Operation("GET", "/notifications", "Push and receive", page, open_to_all=True),
        Operation("GET", "/status", "The hub, live", page),
        Operation(
            "GET",
            "/g/{generation_id}",
            "One generation's page",
            {**page, 401: unsigned, 404: page_answer("The page, which says so.")},
            (one,),
            by_query=True,
        ),
        Operation(
            "GET",
            "/static/{filename}",
            "What the pages load",
            {
                200: Answer("The file.", {"*/*": Media({})}),
                304: Answer("It has not changed."),
            },
            (name,),
            refused=frozenset({404}),
            open_to_all=True,
        ),
    )
