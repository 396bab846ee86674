"""What a publisher's request holds: one event or many, checked before anything is stored (§3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Request

from hub.errors import FieldError, TooLarge, UnsupportedMediaType
from hub.event import Event, check_text, check_type, event_from_json
from hub.fanout.pace import Pace
from hub.json_text import parse_json
from hub.settings import Settings
from hub.web.body import json_limits, read_body, read_json

MAX_BATCH_EVENTS = 1000
MAX_BATCH_BYTES = 8 * 2**20
MAX_KEY = 128
_LINES_PER_EVENT = 2
"""Blank lines are borne, within reason."""


@dataclass(frozen=True, slots=True)
class Publication:
    """`batch`: NDJSON was sent, and the answer lists ids. `body` is what an Idempotency-Key
    compares."""

    events: Sequence[Event]
    batch: bool
    body: bytes


def publication(request: Request, settings: Settings) -> Publication:
    """Read the request. Raises `RequestError`, `FieldError` naming the field, or `TooLarge`."""
    kind, max_event_bytes = request.mimetype, settings.max_event_bytes
    if kind == "application/x-ndjson":
        body = read_body(request, MAX_BATCH_BYTES, settings)
        return Publication(_events_of_lines(body, settings), True, body)
    if kind == "text/plain":
        body = read_body(request, max_event_bytes, settings)
        name = request.args.get("event")
        event = Event(_text(body), check_type(name))
        return Publication([event], False, (name or "").encode() + b"\n" + body)
    if kind == "application/json":
        body, value = read_json(request, json_body_bytes(settings), settings)
        event = event_from_json(value)
        _check_size(event, max_event_bytes, "data")
        return Publication([event], False, body)
    raise UnsupportedMediaType(
        "Content-Type: must be application/json, text/plain or application/x-ndjson"
    )


def json_body_bytes(settings: Settings) -> int:
    """JSON may spell a character in six bytes; the data itself is measured when it is read."""
    return settings.max_event_bytes * 6 + 4096


def check_json(request: Request) -> None:
    """A page of another origin may send text without asking first, and JSON not: what is not called
    JSON is not read as it."""
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("Content-Type: must be application/json")


def idempotency_key(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not key or len(key) > MAX_KEY or not key.isascii() or not key.isprintable():
        raise FieldError("Idempotency-Key", f"must be 1 to {MAX_KEY} printable ASCII characters")
    return key


def _events_of_lines(body: bytes, settings: Settings) -> list[Event]:
    # Counted first: eight million line ends would be eight million lines in memory.
    ends = body.count(b"\n")
    if ends > _LINES_PER_EVENT * MAX_BATCH_EVENTS:
        raise FieldError("body", f"holds {ends} lines, at most {MAX_BATCH_EVENTS} events")
    lines = [(n, line) for n, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    if not lines:
        raise FieldError("body", "holds no event")
    if len(lines) > MAX_BATCH_EVENTS:
        raise FieldError("body", f"holds {len(lines)} events, at most {MAX_BATCH_EVENTS}")
    events, pace, limits = [], Pace(), json_limits(settings)
    for number, line in lines:
        value = parse_json(line, limits, f"line {number}", pace.step)
        event = event_from_json(value, f"line {number}.")
        _check_size(event, settings.max_event_bytes, f"line {number}.data")
        events.append(event)
        pace.step()
    return events


def _check_size(event: Event, limit: int, field: str) -> None:
    size = len(event.data.encode())
    if size > limit:
        raise TooLarge(f"{field}: {size} bytes, at most {limit}")


def _text(body: bytes) -> str:
    try:
        return check_text(body.decode(), "body")
    except UnicodeDecodeError:
        raise FieldError("body", "is not UTF-8") from None
