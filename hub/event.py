"""What is published: an event and its rules."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import msgspec

from hub.errors import FieldError
from hub.long_text import LongText
from hub.shape import ClosedShape, a, shaped

OWN_TYPES = frozenset({"subscribed", "heartbeat", "gap", "closing"})
"""The hub's own event types; a publisher may not use them."""

EVENTSOURCE_TYPES = frozenset({"open", "error"})
"""Types that EventSource fires itself (HTML §9.2.2): a listener could not tell them apart."""

MAX_RETRY_MS = 24 * 60 * 60 * 1000

EVENT_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")


class Event(NamedTuple):
    """One event as its publisher made it. `type` None means `message`: no `event:` line.

    `wire_id` is an id of the publisher's own (flask-sse's `id=`): it goes on the wire in place of
    ours and resolves in history.
    """

    data: str
    type: str | None = None
    retry_ms: int | None = None
    wire_id: str | None = None


def _as_text(value: object) -> str:
    if isinstance(value, LongText):
        return str(value)
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")


TYPE_SCHEMA: Mapping[str, Any] = {
    "pattern": f"^{EVENT_TYPE.pattern}$",
    "not": {"enum": sorted(OWN_TYPES | EVENTSOURCE_TYPES)},
    "default": "message",
}
"""What a publisher may call an event (`check_type`), as JSON Schema."""

RetryMs = Annotated[
    int,
    a(f"a whole number of milliseconds from 0 to {MAX_RETRY_MS}", ge=0, le=MAX_RETRY_MS),
]


class NewEvent(ClosedShape, frozen=True, kw_only=True):
    """The body of a publish (contract §3)."""

    event: (
        Annotated[
            str,
            a(
                "a letter and up to 63 of A-Z a-z 0-9 . _ -, and no type of the hub's own",
                code="invalid-event-type",
                schema=TYPE_SCHEMA,
            ),
        ]
        | None
    ) = None
    data: Annotated[Any, a("a string, which travels as it is, or any other JSON")]
    retry_ms: RetryMs | None = None


class _TextEvent(ClosedShape, frozen=True, kw_only=True):
    """The one whose data is a string, as most are."""

    event: str | None = None
    data: str
    retry_ms: RetryMs | None = None


_decode_text_event = msgspec.json.Decoder(_TextEvent).decode

# `json.dumps` would make an encoder at each call, which takes longer than a small value.
_ENCODER = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_as_text
)


def compact_json(value: object) -> str:
    return _ENCODER.encode(value)


def check_type(value: object, field: str = "event", *, own: bool = False) -> str | None:
    """Return an event type (None for `message`) or raise `FieldError`.

    `own` lets the hub's writers use every well-formed type.
    """
    if value is None or value == "message":
        return None
    if not isinstance(value, str) or not EVENT_TYPE.fullmatch(value):
        raise FieldError(
            field,
            "an event type is a letter and up to 63 of A-Z a-z 0-9 . _ -",
            code="invalid-event-type",
        )
    if not own and (value in OWN_TYPES or value in EVENTSOURCE_TYPES):
        raise FieldError(
            field, f"{value!r} is the hub's or EventSource's own", code="reserved-event-type"
        )
    return value


def check_retry(value: object, field: str = "retry_ms") -> int | None:
    kind: Any = RetryMs | None
    retry: int | None = shaped(value, kind, field)
    return retry


def event_from_json(body: object, within: str = "") -> Event:
    """The event that a JSON body is. A string `data` travels as it is, any other JSON as compact
    JSON. `within` is put in front of the names in errors (`line 3`)."""
    given = shaped(body, NewEvent, within)
    before = f"{within}." if within else ""
    data = given.data
    if not isinstance(data, str):
        data = json_text(data, f"{before}data")
    elif not data.isascii():
        check_text(data, f"{before}data")
    return Event(data, check_type(given.event, f"{before}event"), given.retry_ms)


def event_at_once(text: bytes, within: str = "") -> Event | None:
    """`event_from_json` of a JSON text whose data is a string and in which nothing is wrong, read
    in one step; else None. Raises `FieldError` for its type."""
    try:
        given = _decode_text_event(text)
    except ValueError:
        return None
    if given.event is None:
        return Event(given.data, None, given.retry_ms)
    field = f"{within}.event" if within else "event"
    return Event(given.data, check_type(given.event, field), given.retry_ms)


def check_text(text: str, field: str) -> str:
    """Refuse a lone surrogate: JSON can spell one, UTF-8 cannot carry it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise FieldError(field, "holds a lone surrogate, which UTF-8 cannot carry") from None
    return text


def json_text(value: object, field: str) -> str:
    try:
        return check_text(compact_json(value), field)
    except ValueError:
        raise FieldError(field, "NaN and Infinity are not JSON") from None
