"""How requests are refused: statuses, titles and codes, from the error classes.

A class has one status and a code of its own; where it is raised, it may be given a more exact code
(`SHARPER`). A test reads the sources and holds this list to them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from hub.errors import (
    BodyTimeout,
    CrossOrigin,
    FieldError,
    Forbidden,
    HubError,
    KeyReused,
    NotFound,
    NotGranted,
    Overloaded,
    ProviderUnavailable,
    RedisRefused,
    RedisUnavailable,
    RequestError,
    TooLarge,
    TooMany,
    Unauthorized,
    UnknownHost,
    UnsupportedMediaType,
)
from hubbub.openapi.values import PAGE, STRING, Schema, or_null, record, ref
from workers.openai.chat_request import UnknownModel
from workers.producers.writer import Ended, SequenceGap
from workers.provider import ProviderFailure
from workers.provider.failure import ANSWER_TOO_LARGE, CODES

PROBLEM = "application/problem+json"

ANSWERED: tuple[type[HubError], ...] = (
    HubError, RequestError, FieldError, Unauthorized, NotFound, UnknownModel, Forbidden, NotGranted,
    CrossOrigin, UnknownHost, BodyTimeout, TooLarge, UnsupportedMediaType, KeyReused, TooMany,
    Ended, SequenceGap, Overloaded, ProviderUnavailable, RedisUnavailable, RedisRefused,
    ProviderFailure,
)  # fmt: skip
"""The errors that a request can be answered with."""

SHARPER: Mapping[type[HubError], frozenset[str]] = {
    FieldError: frozenset(
        {
            "broken-body", "invalid-channel", "invalid-event-type", "invalid-format",
            "invalid-json", "line-too-long", "reserved-event-type", "unknown-model",
            "unsupported_parameter",
        }
    ),
    Forbidden: frozenset({"reserved-channel"}),
    TooLarge: frozenset({"request-too-large", ANSWER_TOO_LARGE}),
    TooMany: frozenset({"too-many-running"}),
    UnsupportedMediaType: frozenset({"unsupported-content-encoding"}),
    ProviderFailure: CODES,
}  # fmt: skip
"""Codes that a class is given where it is raised."""

UNREAD: Mapping[int, str] = {
    414: "request-uri-too-long",
    431: "request-header-fields-too-large",
}
"""What is answered to a head that is not read to its end, whatever it was to become: by status, the
code."""

_HEADERS: Mapping[int, Mapping[str, str]] = {
    401: {"WWW-Authenticate": "`Bearer error=…` (RFC 6750)."},
    403: {"WWW-Authenticate": '`Bearer error="insufficient_scope"`, where a token lacks a grant.'},
    429: {"Retry-After": "Seconds until it may be asked again."},
    503: {"Retry-After": "Seconds until it may be asked again."},
}


def codes() -> Mapping[int, list[str]]:
    """By status, the codes with which a request can be refused."""
    found: dict[int, set[str]] = defaultdict(set)
    for error in ANSWERED:
        found[error.status] |= SHARPER.get(error, frozenset()) | {error.code}
    found[ProviderFailure.status] -= {ProviderFailure.code}  # it never comes without one of CODES
    return {status: sorted(found[status]) for status in sorted(found)}


def schemas() -> Mapping[str, Schema]:
    members = {
        "type": {"type": "string", "format": "uri-reference"},
        "title": STRING,
        "status": {"type": "integer"},
        "detail": STRING,
        "code": {"type": "string", "description": "Stable: programs decide by it."},
        "field": {"type": "string", "description": "What is wrong, as the caller wrote it."},
    }
    error = {"message": STRING, "type": STRING, "param": or_null(STRING), "code": or_null(STRING)}
    return {
        "Problem": record(members, optional=("field",)),
        "OpenAIError": record({"error": record(error)}),
    }


def responses() -> Mapping[str, Mapping[str, Any]]:
    """The components: for each status a problem, and the same under `/v1`."""
    found: dict[str, Mapping[str, Any]] = {}
    unread = {status: [code] for status, code in UNREAD.items()}
    for status, known in (*codes().items(), *unread.items()):
        told = {"code": {"enum": known}, "status": {"const": status}}
        schema = {"allOf": [ref("Problem"), {"properties": told}]}
        found[_name(status, "Problem")] = {
            **_head(status),
            "content": {PROBLEM: {"schema": schema}, PAGE: {"schema": STRING}},
        }
    for status in (*codes(), 504):
        found[_name(status, "OpenAI")] = {
            **_head(status),
            "content": {"application/json": {"schema": ref("OpenAIError")}},
        }
    return found


def response(status: int, path: str) -> Mapping[str, str]:
    """The problem of this status, in the form that the path's readers expect."""
    form = "OpenAI" if path.startswith("/v1/") and status not in UNREAD else "Problem"
    return {"$ref": f"#/components/responses/{_name(status, form)}"}


def _name(status: int, form: str) -> str:
    return f"{form}{status}"


def _head(status: int) -> dict[str, Any]:
    shown: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if status in _HEADERS:
        shown["headers"] = {
            name: {"description": says, "schema": STRING} for name, says in _HEADERS[status].items()
        }
    return shown
