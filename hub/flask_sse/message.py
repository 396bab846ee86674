"""flask-sse's `Message`: what is published and what `messages()` yields."""

from __future__ import annotations

import re
from typing import Any

from flask import json

from hub import sse
from hub.errors import FieldError
from hub.event import Event, check_retry, check_text
from hub.store.frame import StoredEvent

_BREAKS_OUT = re.compile(r"[\r\n\0]")


class Message:
    """Data that is published as a server-sent event."""

    def __init__(
        self,
        data: Any,
        type: str | None = None,
        id: object = None,
        retry: int | str | None = None,
    ) -> None:
        """`data` that is not a string is serialised by the application's JSON provider."""
        self.data = data
        self.type = type
        self.id = id
        self.retry = retry

    def to_dict(self) -> dict[str, Any]:
        """A minimal dictionary: `data` is required, all others are optional."""
        others = {"type": self.type, "id": self.id, "retry": self.retry}
        return {"data": self.data, **{name: value for name, value in others.items() if value}}

    @property
    def event(self) -> Event:
        """Raises `FieldError` for a type, an id or a retry that no stream can carry."""
        return Event(
            check_text(self._text(), "data"),
            _one_line(self.type, "type"),
            _milliseconds(self.retry),
            _one_line(self.id, "id"),
        )

    def _text(self) -> str:
        return self.data if isinstance(self.data, str) else json.dumps(self.data)

    def frame(self) -> bytes:
        """The event as `text/event-stream` has it."""
        event = self.event
        return sse.encode(event, event.wire_id)

    def __str__(self) -> str:
        return self.frame().decode()

    def __repr__(self) -> str:
        others = list(self.to_dict().items())[1:]
        return f"Message({self.data!r}{''.join(f', {name}={value!r}' for name, value in others)})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        mine, theirs = ((one.data, one.type, one.id, one.retry) for one in (self, other))
        return mine == theirs

    __hash__ = None  # type: ignore[assignment]


class StoredMessage(Message):
    """A message out of the history. Passed on by a `messages()` of the application's own, it keeps
    its place: the listener that returns with its id gets what came after it."""

    def __init__(self, event: StoredEvent) -> None:
        decoded = sse.decode(event.frame)
        type_of = None if event.event == "message" else event.event
        own_id = decoded.id if decoded.id != event.id else None
        super().__init__(_value(event.data), type_of, own_id, decoded.retry_ms)
        self.position = event.id
        self._stored = event.data

    def _text(self) -> str:
        """As it was published: JSON that a publisher wrote itself keeps its spaces and numbers."""
        text = super()._text()
        if isinstance(self.data, str) or text != json.dumps(_value(self._stored)):
            return text
        return self._stored

    def frame(self) -> bytes:
        event = self.event
        return sse.encode(event, event.wire_id or self.position)


def _value(data: str) -> Any:
    """JSON objects and arrays as such: their publisher gave them so."""
    if data[:1] in ("{", "["):
        try:
            return json.loads(data)
        except ValueError:
            pass  # text that begins like JSON
    return data


def _milliseconds(retry: int | str | None) -> int | None:
    """flask-sse writes whatever it was given behind `retry:`; listeners take digits (§9.2.6)."""
    if not retry:
        return None
    if isinstance(retry, str):
        if not (retry.isascii() and retry.isdigit() and len(retry) <= 16):
            raise FieldError("retry", "a whole number of milliseconds")
        retry = int(retry)
    return check_retry(retry, "retry")


def _one_line(value: object, field: str) -> str | None:
    if not value:
        return None
    text = check_text(str(value), field)
    if _BREAKS_OUT.search(text):
        raise FieldError(field, "holds a line end or NUL")
    return text
