"""All faces together: the document of a hub with these settings."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from hub.settings import Settings
from hub.version import VERSION
from hub.web.credentials import COOKIE
from hub.web.headers import EVERY_ANSWER
from hubbub.openapi import channels, frontends, generations, openai, operating, problems
from hubbub.openapi.values import Operation

OPENAPI = "3.1.0"

_ABOUT = f"""\
Every answer carries `{" ".join(f"{name}: {value}" for name, value in EVERY_ANSWER.items())}`. \
`HEAD` is answered wherever `GET` is, by the headers alone, and `OPTIONS` everywhere, for pages of \
other origins. A trailing slash changes nothing. Problems are RFC 9457 with a stable `code`; under \
`/v1` they have OpenAI's shape, and to a browser's navigation they are a page. A hub without keys \
asks for no token.
"""
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE},
    "query": {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "On subscriptions and share links alone: EventSource sends no headers.",
    },
}


def document(settings: Settings) -> dict[str, Any]:
    """The document, without `servers`: those depend on the request."""
    faces: Sequence[tuple[str, Sequence[Operation]]] = (
        (channels.TAG, channels.operations(settings)),
        (generations.TAG, generations.operations(settings)),
        (openai.TAG, openai.operations(settings)),
        (frontends.TAG, frontends.operations(settings)),
        (operating.TAG, operating.operations()),
    )
    paths: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for tag, operations in faces:
        for operation in operations:
            paths[operation.path][operation.method.lower()] = _operation(operation, tag)
    return {
        "openapi": OPENAPI,
        "info": {"title": "Hubbub", "version": VERSION, "description": _ABOUT},
        "tags": [{"name": tag} for tag, _ in faces],
        "paths": dict(paths),
        "components": {
            "schemas": {
                **problems.schemas(),
                **channels.SCHEMAS,
                **generations.SCHEMAS,
                **openai.SCHEMAS,
                **frontends.SCHEMAS,
                **operating.SCHEMAS,
            },
            "responses": problems.responses(),
            "securitySchemes": _SCHEMES,
        },
    }


def _operation(operation: Operation, tag: str) -> Mapping[str, Any]:
    answers = {str(status): given.to_json() for status, given in operation.answers.items()}
    refusals = {
        str(status): problems.response(status, operation.path) for status in operation.refusals()
    }
    shown: dict[str, Any] = {
        "tags": [tag],
        "operationId": _name(operation),
        "summary": operation.summary,
        "parameters": [one.to_json() for one in operation.parameters],
        "responses": answers | refusals,
        "security": _security(operation),
    }
    if operation.body is not None:
        shown["requestBody"] = operation.body.to_json()
    return shown


def _security(operation: Operation) -> Sequence[Mapping[str, Sequence[str]]]:
    if operation.open_to_all:
        return []
    found: list[Mapping[str, Sequence[str]]] = [{"bearer": []}, {"cookie": []}]
    return [*found, {"query": []}] if operation.by_query else found


def _name(operation: Operation) -> str:
    """`get_channels_channel_history`: unique, for generated clients."""
    return "_".join([operation.method.lower(), *re.findall(r"[A-Za-z0-9]+", operation.path)])
