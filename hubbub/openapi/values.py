"""The words that the document is written in: schemas, parameters, bodies, answers, operations.

A schema is a plain dictionary, as JSON Schema has it. What follows from the kind of an operation
(a change needs an Origin that is the hub's own, a body may come too late) is derived here, so that
no operation has to say it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.shape import Shape, schemas
from hub.sse import CONTENT_TYPE
from hub.store.history import IDEMPOTENCY_SECONDS
from hub.web.guards import SAFE_METHODS
from hub.web.publishing import MAX_KEY

Schema = Mapping[str, Any]

JSON = "application/json"
TEXT = "text/plain"
NDJSON = "application/x-ndjson"
PAGE = "text/html"
EVENT_STREAM = CONTENT_TYPE.partition(";")[0]

STRING: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
ANYTHING: Schema = {}
COUNT: Schema = {"type": "integer", "minimum": 0}
TIME: Schema = {"type": "string", "format": "date-time"}


def whole(low: int, high: int, **more: Any) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high, **more}


def words(*given: str, **more: Any) -> Schema:
    return {"type": "string", "enum": list(given), **more}


def matching(pattern: re.Pattern[str], **more: Any) -> Schema:
    """A string that is such a name from its beginning to its end."""
    return {"type": "string", "pattern": f"^(?:{pattern.pattern})$", **more}


def or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def list_of(schema: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": schema, **more}


def map_of(schema: Schema, **more: Any) -> Schema:
    return {"type": "object", "additionalProperties": schema, **more}


_PLACE = "#/components/schemas/{name}"


def ref(name: str) -> Schema:
    return {"$ref": _PLACE.format(name=name)}


def shapes(*kinds: type[Shape]) -> Mapping[str, Schema]:
    """The schemas of bodies, as the code that reads them declares them."""
    return schemas(kinds, _PLACE)


def record(members: Mapping[str, Schema], *, optional: Sequence[str] = ()) -> Schema:
    """An object that has all `members`, but for the optional ones. (That the hub answers with no
    others is what the tests hold it to; a client must bear those that a later one has.)"""
    return {
        "type": "object",
        "properties": dict(members),
        "required": [name for name in members if name not in optional],
    }


def told_on(members: Mapping[str, Schema], *, optional: Sequence[str] = ()) -> Schema:
    """The same, where what a provider says beside them goes on under its own names."""
    return {**record(members, optional=optional), "additionalProperties": True}


@dataclass(frozen=True, slots=True)
class Parameter:
    """`place` is `query`, `header` or `path`. One that is `repeated` may be given several times."""

    name: str
    place: str
    schema: Schema
    says: str
    required: bool = False

    def to_json(self) -> dict[str, Any]:
        shown = {
            "name": self.name,
            "in": self.place,
            "description": self.says,
            "required": self.required or self.place == "path",
            "schema": self.schema,
        }
        if self.schema.get("type") == "array":
            shown |= {"style": "form", "explode": True}
        return shown


def query(name: str, schema: Schema, says: str, *, required: bool = False) -> Parameter:
    return Parameter(name, "query", schema, says, required)


def header(name: str, schema: Schema, says: str) -> Parameter:
    return Parameter(name, "header", schema, says)


def path(name: str, schema: Schema, says: str) -> Parameter:
    return Parameter(name, "path", schema, says)


IDEMPOTENCY_KEY = header(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[ -~]+$"},
    f"For {IDEMPOTENCY_SECONDS // 60} minutes the same key with the same body is the same request: "
    "it gets the first answer.",
)


@dataclass(frozen=True, slots=True)
class Media:
    """One form of a body. `example` is one that the hub takes."""

    schema: Schema
    example: Any = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        shown = {} if self.example is None else {"example": self.example}
        return {"schema": self.schema, **shown, **self.more}


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent, by content type. `most_bytes`: a larger one is 413. (OpenAPI has no word for
    it: the extension `x-max-bytes` says it to programs.)"""

    forms: Mapping[str, Media]
    most_bytes: int | None
    required: bool = True

    def to_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "required": self.required,
            "content": {kind: media.to_json() for kind, media in self.forms.items()},
        }
        if self.most_bytes is not None:
            shown["description"] = f"At most {self.most_bytes} bytes."
            shown["x-max-bytes"] = self.most_bytes
        return shown


def body_of(kind: type[Shape], example: Any, most_bytes: int, *, required: bool = True) -> Body:
    return Body({JSON: Media(ref(kind.__name__), example)}, most_bytes, required)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered where nothing is wrong. `headers`: each one's name and what it says."""

    says: str
    forms: Mapping[str, Media] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"description": self.says}
        if self.headers:
            shown["headers"] = {
                name: {"description": says, "schema": STRING} for name, says in self.headers.items()
            }
        if self.forms:
            shown["content"] = {kind: media.to_json() for kind, media in self.forms.items()}
        return shown


def json_answer(says: str, schema: Schema, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(says, {JSON: Media(schema)}, headers or {})


def page_answer(says: str) -> Answer:
    return Answer(says, {PAGE: Media(STRING)})


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one route. `refused` are the statuses of problems of its own, beside those that
    follow from its kind.

    `open_to_all`: it needs no token. `by_query`: its token may also stand in the query.
    """

    method: str
    path: str
    summary: str
    answers: Mapping[int, Answer]
    parameters: Sequence[Parameter] = ()
    body: Body | None = None
    refused: frozenset[int] = frozenset()
    open_to_all: bool = False
    by_query: bool = False

    def refusals(self) -> list[int]:
        """The statuses of all its problems: a head that is too long, an unknown host, a fault of
        ours, Redis that does not answer; a token that is missing or does not grant it; a change
        that another origin's page asks for, or one with a packed body; a body that does not come,
        or is too large."""
        found = {414, 421, 431, 500, 503} | self.refused
        if not self.open_to_all:
            found |= {401, 403}
        if self.method not in SAFE_METHODS:
            found |= {403, 415}
        if self.body:
            found |= {400, 408, 413}
        if IDEMPOTENCY_KEY in self.parameters:
            found.add(422)
        if any(one.place != "path" for one in self.parameters):
            found.add(400)
        return sorted(found - set(self.answers))
