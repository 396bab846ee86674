"""What a publisher's request holds: one event or many, checked before anything is stored (§3)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Request

from hub.errors import FieldError, RequestError, TooLarge
from hub.event import Event, check_text, check_type, event_from_json

MAX_BATCH_EVENTS = 1000
MAX_BATCH_BYTES = 8 * 2**20
DRAIN_BYTES = 16 * 2**20
MAX_KEY = 128


@dataclass(frozen=True, slots=True)
class Publication:
    """`batch`: NDJSON was sent, and the answer lists ids. `body` is what an Idempotency-Key
    compares."""

    events: Sequence[Event]
    batch: bool
    body: bytes


class UnsupportedMediaType(RequestError):
    status = 415
    code = "unsupported-media-type"
    title = "The body's type is not one of ours"


def publication(request: Request, max_event_bytes: int) -> Publication:
    """Read the request. Raises `RequestError`, `FieldError` naming the field, or `TooLarge`."""
    kind = request.mimetype
    if kind == "application/x-ndjson":
        body = read_body(request, MAX_BATCH_BYTES)
        return Publication(_events_of_lines(body, max_event_bytes), True, body)
    if kind == "text/plain":
        body = read_body(request, max_event_bytes)
        name = request.args.get("event")
        event = Event(_text(body), check_type(name))
        return Publication([event], False, (name or "").encode() + b"\n" + body)
    if kind == "application/json":
        # JSON may spell a character in six bytes; the data itself is measured below.
        body = read_body(request, max_event_bytes * 6 + 4096)
        event = event_from_json(parse_json(body))
        _check_size(event, max_event_bytes, "data")
        return Publication([event], False, body)
    raise UnsupportedMediaType(
        "Content-Type: must be application/json, text/plain or application/x-ndjson"
    )


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


def read_body(request: Request, limit: int) -> bytes:
    """The body, at most `limit` bytes. A longer one is read to its end, within a bound, so that
    the client comes to read the answer; then raises `TooLarge`. A shorter one than was announced
    is what a client that broke off has left behind: `FieldError`."""
    body = b""
    while len(body) <= limit:
        piece = request.stream.read(limit + 1 - len(body))
        if not piece:
            if len(body) < (request.content_length or 0):
                raise FieldError("body", "ended before its Content-Length")
            return body
        body += piece
    drained = len(body)
    while drained < DRAIN_BYTES:
        more = len(request.stream.read(65536))
        if not more:
            break
        drained += more
    raise TooLarge(f"body: at most {limit} bytes")


def parse_json(body: bytes, field: str = "body") -> Any:
    try:
        return json.loads(body.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise FieldError(field, "is not JSON", code="invalid-json") from None


def _events_of_lines(body: bytes, max_event_bytes: int) -> list[Event]:
    lines = [(n, line) for n, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    if not lines:
        raise FieldError("body", "holds no event")
    if len(lines) > MAX_BATCH_EVENTS:
        raise FieldError("body", f"holds {len(lines)} events, at most {MAX_BATCH_EVENTS}")
    events = []
    for number, line in lines:
        event = event_from_json(parse_json(line, f"line {number}"), f"line {number}.")
        _check_size(event, max_event_bytes, f"line {number}.data")
        events.append(event)
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


def _no_constant(name: str) -> Any:
    raise ValueError(name)
