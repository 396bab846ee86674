"""What is published: an event and its rules."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from hub.errors import FieldError

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


# `json.dumps` would make an encoder at each call, which takes longer than a small value.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


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
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_RETRY_MS:
        raise FieldError(field, f"a whole number of milliseconds from 0 to {MAX_RETRY_MS}")
    return value


def event_from_json(body: object, field: str = "") -> Event:
    """The event that a JSON body names: `{"event"?, "data", "retry_ms"?}` (contract §3).

    A string `data` travels as it is, any other JSON as compact JSON. `field` prefixes the names in
    errors (`[3].` for the fourth line of NDJSON).
    """
    if not isinstance(body, Mapping):
        raise FieldError(field.rstrip(".") or "body", "must be a JSON object")
    known: Mapping[str, Any] = body
    for name in known:
        if name not in ("event", "data", "retry_ms"):
            raise FieldError(f"{field}{name}", "is not a field of an event")
    if "data" not in known:
        raise FieldError(f"{field}data", "is missing")
    data = known["data"]
    return Event(
        data=check_text(data, f"{field}data")
        if isinstance(data, str)
        else json_text(data, f"{field}data"),
        type=check_type(known.get("event"), f"{field}event"),
        retry_ms=check_retry(known.get("retry_ms"), f"{field}retry_ms"),
    )


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
