"""What is asked of a model: the body of `POST /generations`, checked field by field (contract §4).

A body that passes becomes one frozen value, which the record keeps as JSON. Whatever is wrong
raises `FieldError` with the path of the field as the caller wrote it (`messages[2].content`), and
nothing has been stored yet.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.errors import FieldError
from hub.fanout.pace import LONG_TEXT, joined, json_parts, paced, pause
from hub.json_text import decode

MAX_CHOICES = 16
MAX_TOKENS = 10_000_000
MAX_STOPS = 16
MAX_METADATA = 16
MAX_METADATA_NAME = 64
MAX_METADATA_TEXT = 512
MAX_TEMPERATURE = 2
QUESTION_SHOWN = 2_000
"""How many characters of a question a list or a page shows."""

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_ASKING = ("system", "developer", "user")

MODEL_NAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,256}")
_FIELDS = frozenset(
    {
        "prompt", "messages", "system", "model", "temperature", "max_tokens", "n", "stop", "tools",
        "metadata", "producer",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model. `model` None: the configured one.

    `extra`: other parameters of OpenAI's, passed on to the provider as they are. The rest belongs
    to the face of OpenAI and no provider sees it. `usage_in_stream`: whether the chunks end with
    one that tells the usage; `echo`: what its answers repeat of the request; `store`: whether it
    may be listed, and found once it has ended; `producer`: nobody is asked, its creator answers
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
    echo: Mapping[str, Any] = field(default_factory=dict)
    store: bool = True
    producer: bool = False

    def to_json(self) -> bytes:
        """In steps: a question may be as long as a body."""
        return joined(json_parts({name: getattr(self, name) for name in self.__slots__}))

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


def request_from_json(body: object, models: Collection[str] = ()) -> Request:
    """Check a body of `POST /generations`. `models` is the allowlist; empty: all are allowed."""
    if not isinstance(body, Mapping):
        raise FieldError("body", "must be a JSON object")
    for name in body:
        if name not in _FIELDS:
            raise FieldError(str(name), "is not a field of a generation")
    given = {name: value for name, value in body.items() if value is not None}
    producer = _producer(given.get("producer"))
    return Request(
        messages=_messages(given, needed=not producer),
        # Whoever answers by himself says which model it is.
        model=check_model(given.get("model"), () if producer else models),
        temperature=check_temperature(given.get("temperature")),
        max_tokens=_whole(given.get("max_tokens"), "max_tokens", MAX_TOKENS),
        n=_whole(given.get("n"), "n", MAX_CHOICES) or 1,
        stop=check_stop(given.get("stop")),
        tools=check_tools(given.get("tools")),
        metadata=check_metadata(given.get("metadata")),
        producer=producer,
    )


def check_model(value: object, models: Collection[str] = (), field: str = "model") -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not MODEL_NAME.fullmatch(value):
        raise FieldError(field, "must be a model's name: 1 to 256 characters without spaces")
    if models and value not in models:
        raise FieldError(field, f"{value!r} is not one of the models here", code="unknown-model")
    return value


def check_messages(
    value: object, field: str = "messages", *, may_be_empty: bool = False
) -> list[Mapping[str, Any]]:
    """OpenAI's chat messages: the parts that every provider needs are checked, the rest passes,
    what the hub does not know included. `may_be_empty`: also what the user says, as OpenAI has
    it."""
    if not isinstance(value, list) or not value:
        raise FieldError(field, "must be a list of at least one message")
    return [
        _message(message, f"{field}[{i}]", may_be_empty) for i, message in enumerate(paced(value))
    ]


def _producer(value: object) -> bool:
    if value is not None and value != "client":
        raise FieldError("producer", "must be 'client': who asks sends the answer, too")
    return value is not None


def _messages(given: Mapping[str, Any], *, needed: bool) -> list[Mapping[str, Any]]:
    messages: list[Mapping[str, Any]] = []
    if ("prompt" in given) == ("messages" in given) and (needed or "prompt" in given):
        raise FieldError("prompt", "give either prompt or messages")
    if "prompt" in given:
        prompt = _text(given["prompt"], "prompt")
        messages = [{"role": "user", "content": prompt}]
    elif "messages" in given:
        messages = check_messages(given["messages"])
    if "system" in given:
        system = _text(given["system"], "system")
        messages.insert(0, {"role": "system", "content": system})
    return messages


def _message(message: object, field: str, may_be_empty: bool) -> Mapping[str, Any]:
    if not isinstance(message, Mapping):
        raise FieldError(field, "must be an object")
    role, content = message.get("role"), message.get("content")
    if role not in ROLES:
        raise FieldError(f"{field}.role", f"must be one of {', '.join(ROLES)}")
    if content is None:
        if role in _ASKING or (role == "assistant" and not (may_be_empty or _says(message))):
            raise FieldError(f"{field}.content", "is missing")
    elif isinstance(content, list):
        _check_parts(content, f"{field}.content", may_be_empty)
    elif not isinstance(content, str):
        raise FieldError(f"{field}.content", "must be a string or a list of parts")
    elif not content and role == "user" and not may_be_empty:
        raise FieldError(f"{field}.content", "is empty")
    return message


def _says(message: Mapping[str, Any]) -> bool:
    """Whether an assistant's message without content says something all the same: a call, a
    refusal, audio, thoughts, or whatever else its provider has put in."""
    return any(value for name, value in message.items() if name not in ("role", "content", "name"))


def _check_parts(parts: list[object], field: str, may_be_empty: bool) -> None:
    if not parts and not may_be_empty:
        raise FieldError(field, "is empty")
    for i, part in enumerate(parts):
        if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
            raise FieldError(f"{field}[{i}]", "must be an object with a type")
        if part["type"] == "text" and not isinstance(part.get("text"), str):
            raise FieldError(f"{field}[{i}].text", "must be a string")


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise FieldError(field, "must be a string")
    if not value.strip():
        raise FieldError(field, "is empty")
    return value


def check_temperature(value: object) -> float | None:
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 <= value <= MAX_TEMPERATURE
    ):
        raise FieldError("temperature", f"must be a number from 0 to {MAX_TEMPERATURE}")
    return value


def _whole(value: object, field: str, most: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise FieldError(field, f"must be a whole number from 1 to {most}")
    return value


def check_stop(value: object) -> list[str]:
    stops = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(stops, list) or len(stops) > MAX_STOPS:
        raise FieldError("stop", f"must be a string or a list of at most {MAX_STOPS} strings")
    for i, stop in enumerate(stops):
        if not isinstance(stop, str) or not stop:
            where = "stop" if isinstance(value, str) else f"stop[{i}]"
            raise FieldError(where, "must be a string that is not empty")
    return stops


def check_tools(value: object) -> list[Mapping[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise FieldError("tools", "must be a list of objects")
    for i, tool in enumerate(value):
        if not isinstance(tool, Mapping) or not isinstance(tool.get("type"), str):
            raise FieldError(f"tools[{i}]", "must be an object with a type")
    return value


def check_metadata(value: object) -> Mapping[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or len(value) > MAX_METADATA:
        raise FieldError("metadata", f"must be an object of at most {MAX_METADATA} strings")
    for name, text in value.items():
        if not isinstance(text, str):
            raise FieldError(f"metadata.{name}", "must be a string")
        if len(name) > MAX_METADATA_NAME or len(text) > MAX_METADATA_TEXT:
            raise FieldError(
                f"metadata.{name}",
                f"is too long: {MAX_METADATA_NAME} characters for {MAX_METADATA_TEXT}",
            )
    return value


def _plain_text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part["text"] for part in parts if part.get("type") == "text")
