"""What is asked of a model: the body of `POST /generations`, checked field by field (contract §4).

A body that passes becomes one frozen value, which the record keeps as JSON. Whatever is wrong
raises `FieldError` with the path of the field as the caller wrote it (`messages[2].content`), and
nothing has been stored yet.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from hub.errors import FieldError
from hub.fanout.pace import LONG_TEXT, joined, json_parts, pause
from hub.json_text import decode
from hub.shape import ClosedShape, Shape, a, shaped
from workers.message import Messages, check_messages

MAX_CHOICES = 16
MAX_TOKENS = 10_000_000
MAX_STOPS = 16
MAX_METADATA = 16
MAX_METADATA_NAME = 64
MAX_METADATA_TEXT = 512
MAX_TEMPERATURE = 2
QUESTION_SHOWN = 2_000
"""How many characters of a question a list or a page shows."""

_MODEL_NAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,256}")
_MODEL_WORDS = "a model's name: 1 to 256 characters without spaces"

_Text = Annotated[str, a("a string that is not empty", pattern=r"\S")]
ModelName = Annotated[
    str,
    a(
        _MODEL_WORDS,
        schema={"pattern": f"^{_MODEL_NAME.pattern}$"},
    ),
]
Temperature = Annotated[float, a(f"a number from 0 to {MAX_TEMPERATURE}", ge=0, le=MAX_TEMPERATURE)]
_Stop = Annotated[str, a("a string that is not empty", min_length=1)]
Stops = (
    _Stop
    | Annotated[list[_Stop], a(f"a list of at most {MAX_STOPS} strings", max_length=MAX_STOPS)]
)
Metadata = Annotated[
    dict[
        Annotated[str, Meta(max_length=MAX_METADATA_NAME)],
        Annotated[
            str,
            a(f"a string of at most {MAX_METADATA_TEXT} characters", max_length=MAX_METADATA_TEXT),
        ],
    ],
    a(f"an object of at most {MAX_METADATA} strings", max_length=MAX_METADATA),
]


class Tool(Shape, frozen=True):
    """One of OpenAI's kinds, or a kind that its provider knows."""

    type: str

    words: ClassVar[str] = "an object with a type"


class NewGeneration(ClosedShape, frozen=True):
    """The body of `POST /generations`."""

    prompt: _Text | None = None
    messages: Messages | None = None
    system: _Text | None = None
    model: ModelName | None = None
    temperature: Temperature | None = None
    max_tokens: (
        Annotated[
            float, a(f"a whole number from 1 to {MAX_TOKENS}", ge=1, le=MAX_TOKENS, multiple_of=1)
        ]
        | None
    ) = None
    n: (
        Annotated[
            float, a(f"a whole number from 1 to {MAX_CHOICES}", ge=1, le=MAX_CHOICES, multiple_of=1)
        ]
        | None
    ) = None
    stop: Stops | None = None
    tools: list[Tool] | None = None
    metadata: Metadata | None = None
    producer: Annotated[Literal["client"], a("'client': who asks sends the answer, too")] | None = (
        None
    )


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model. `model` None: the configured one.

    `extra`: other parameters of OpenAI's, passed on to the provider as they are. The rest belongs
    to the face of OpenAI and no provider sees it. `usage_in_stream`: whether the chunks end with
    one that tells the usage; `functions`: whether tools were called so; `embeddings`: `extra` is
    a body of that kind; `echo`: what its answers repeat of the request; `store`: whether it may be
    listed, and found once it has ended; `producer`: nobody is asked, its creator answers
    (`producers`), and there may be no message.
    """

    messages: Sequence[Mapping[str, Any]]
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    n: int = 1
    stop: Sequence[str] = ()
    tools: Sequence[Mapping[str, Any]] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    usage_in_stream: bool = False
    functions: bool = False
    embeddings: bool = False
    echo: Mapping[str, Any] = field(default_factory=dict)
    store: bool = True
    producer: bool = False

    def to_json(self) -> bytes:
        """In steps: a question may be as long as a body. What is as by default is left out: an
        earlier version may not know the member."""
        given = {name: getattr(self, name) for name in self.__slots__}
        told = {n: v for n, v in given.items() if n not in _BY_DEFAULT or v != _BY_DEFAULT[n]}
        return joined(json_parts(told))

    @classmethod
    def from_json(cls, text: str | bytes) -> Request:
        """Members of a later version are passed over: workers of two versions may share a Redis."""
        if len(text) > LONG_TEXT:
            pause()  # it has just been read
        return cls(**{n: value for n, value in decode(text).items() if n in cls.__slots__})

    def brief(self) -> Request:
        """What lists, pages and streams show of a request: small, whatever it holds. No provider
        is asked with it."""
        return Request(
            [{"role": "user", "content": self.question[:QUESTION_SHOWN]}],
            n=self.n,
            stop=[],
            tools=[],
            metadata=self.metadata,
            usage_in_stream=self.usage_in_stream,
            functions=self.functions,
            store=self.store,
            producer=self.producer,
        )

    @property
    def asked(self) -> Any:
        """The last thing that the user said, as it was given: text, or a list of parts."""
        for message in reversed(self.messages):
            if message.get("role") == "user":
                return message.get("content")
        return ""

    @property
    def question(self) -> str:
        """The same as text: what a list shows of a request."""
        return _plain_text(self.asked)


_PLAIN = Request([])
_BY_DEFAULT = {name: getattr(_PLAIN, name) for name in Request.__slots__ if name != "messages"}


def request_from_json(body: Any, models: Collection[str] = ()) -> Request:
    """Check a body of `POST /generations`. `models` is the allowlist; empty: all are allowed."""
    given = shaped(body, NewGeneration)
    producer = given.producer is not None
    return Request(
        messages=_messages(given, body),
        # A generator says which model it is.
        model=check_model(given.model, () if producer else models),
        temperature=given.temperature,
        max_tokens=None if given.max_tokens is None else int(given.max_tokens),
        n=int(given.n or 1),
        stop=stops(given.stop),
        tools=body.get("tools") or (),
        metadata=given.metadata or {},
        producer=producer,
    )


def check_model(name: str | None, models: Collection[str] = ()) -> str | None:
    if name is None:
        return None
    if not _MODEL_NAME.fullmatch(name):
        raise FieldError("model", f"must be {_MODEL_WORDS}")
    if models and name not in models:
        raise FieldError("model", f"{name!r} is not one of the models here", code="unknown-model")
    return name


def stops(given: str | list[str] | None) -> Sequence[str]:
    return [given] if isinstance(given, str) else given or ()


def _messages(given: NewGeneration, body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """As they came: with all that no shape names."""
    both = given.prompt is not None and given.messages is not None
    neither = given.prompt is None and given.messages is None
    if both or (neither and given.producer is None):
        raise FieldError("prompt", "give either prompt or messages")
    messages: list[Mapping[str, Any]] = []
    if given.prompt is not None:
        messages = [{"role": "user", "content": given.prompt}]
    elif given.messages is not None:
        messages = list(check_messages(body["messages"]))
    if given.system is not None:
        messages.insert(0, {"role": "system", "content": given.system})
    return messages


def _plain_text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part["text"] for part in parts if part.get("type") == "text")
