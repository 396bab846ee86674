"""The body of `POST /v1/chat/completions`, checked; its errors are in OpenAI's words (§5).

What the hub itself needs is checked, and as permissively as OpenAI checks it: whole numbers may
come as floats, members may be null, an answer without text may hold a call, audio or thoughts.
Whatever else the body holds goes to the provider as it is: it may know it, and says so if not. One
kind is refused: what would choose another model, address or key behind the hub
(`members.REFUSED`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from hub.errors import FieldError, NotFound
from hub.shape import ClosedShape, Shape, a, shaped
from workers.message import Messages, check_messages
from workers.provider.members import REFUSED
from workers.request import (
    MAX_TOKENS,
    Metadata,
    ModelName,
    Request,
    Stops,
    Temperature,
    Tool,
    check_model,
    stops,
)

MAX_CHOICES = 128
"""As OpenAI has it."""
LEAST_TOKENS = -2
"""Ollama, LM Studio and llama.cpp: -1 for as many as there are, -2 for as many as fit."""

Tokens = Annotated[
    float,
    a(
        f"a whole number from {LEAST_TOKENS} to {MAX_TOKENS}",
        ge=LEAST_TOKENS,
        le=MAX_TOKENS,
        multiple_of=1,
    ),
]


class Wishes(ClosedShape, frozen=True):
    """The one member that is the hub's own."""

    cancel_on_disconnect: bool | None = None


class StreamOptions(Shape, frozen=True):
    include_usage: bool | None = None


class Question(Shape, frozen=True):
    """What the bodies of chat completions and of responses share. What no shape names is passed on
    to the provider."""

    model: ModelName | None = None
    temperature: Temperature | None = None
    metadata: Metadata | None = None
    store: bool | None = None
    stream: bool | None = None
    hubbub: Wishes | None = None

    @property
    def cancel_on_disconnect(self) -> bool:
        return self.hubbub is not None and bool(self.hubbub.cancel_on_disconnect)


class ChatRequest(Question, frozen=True, kw_only=True):
    messages: Messages
    max_tokens: Tokens | None = None
    n: (
        Annotated[
            float,
            a(f"a whole number from 1 to {MAX_CHOICES}", ge=1, le=MAX_CHOICES, multiple_of=1),
        ]
        | None
    ) = None
    stop: Stops | None = None
    tools: list[Tool] | None = None
    stream_options: StreamOptions | None = None


_OURS = frozenset(ChatRequest.__struct_fields__) - {"store"}
S = TypeVar("S", bound=Shape)


class UnknownModel(NotFound):
    """OpenAI's own code, which its packages look for."""

    code = "model_not_found"
    field = "model"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and how its answer is wanted."""

    request: Request
    stream: bool
    cancel_on_disconnect: bool


def chat_request(body: object, models: Collection[str] = ()) -> Asked:
    """Raises `FieldError`, `UnknownModel`."""
    question, given = read(body, ChatRequest)
    extra = {name: value for name, value in given.items() if name not in _OURS}
    options = given.get("stream_options", {})
    more_options = {name: value for name, value in options.items() if name != "include_usage"}
    if more_options:
        extra["stream_options"] = more_options
    if question.store and question.metadata is not None:
        extra["metadata"] = question.metadata  # the provider stores it with the answer
    wanted = question.stream_options
    return Asked(
        asked_of(
            question,
            given["messages"],
            models,
            max_tokens=question.max_tokens,
            n=int(question.n or 1),
            stop=stops(question.stop),
            tools=given.get("tools", ()),
            extra=extra,
            functions=bool(given.get("functions")),
            usage_in_stream=wanted is not None and bool(wanted.include_usage),
        ),
        bool(question.stream),
        question.cancel_on_disconnect,
    )


def read(
    body: object, kind: type[S], unsupported: Sequence[str] = ()
) -> tuple[S, Mapping[str, Any]]:
    """The body in its shape, and its members that are not null as they came. Raises `FieldError`,
    also for a member that may not be chosen from here, or is `unsupported`."""
    if isinstance(body, Mapping):
        body = {name: value for name, value in body.items() if value is not None}
        for name in body:
            if REFUSED.fullmatch(name):
                raise FieldError(
                    name,
                    "would choose another model, address or key than this hub's",
                    code="unsupported_parameter",
                )
            if name in unsupported:
                raise FieldError(name, "is not supported here")
    question = shaped(body, kind)
    assert isinstance(body, Mapping)
    return question, body


def asked_of(
    question: Question,
    messages: Sequence[Mapping[str, Any]],
    models: Collection[str],
    *,
    max_tokens: float | None,
    **more: Any,
) -> Request:
    """What chat completions and responses share of a request. Raises `FieldError`,
    `UnknownModel`."""
    return Request(
        messages=check_messages(messages, may_be_empty=True),
        model=allow(question.model, models),
        temperature=question.temperature,
        max_tokens=None if max_tokens is None else int(max_tokens),
        metadata=question.metadata or {},
        store=question.store is not False,
        **more,
    )


def allow(model: str | None, models: Collection[str]) -> str | None:
    name = check_model(model)
    if name is not None and models and name not in models:
        raise UnknownModel(f"The model {name!r} does not exist here or is not allowed")
    return name
