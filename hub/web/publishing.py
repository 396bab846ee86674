"""What a publisher's request holds: one event or many, checked before anything is stored (§3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from flask import Request

from hub.access.limits import Limits
from hub.errors import FieldError, TooLarge, UnsupportedMediaType
from hub.event import Event, check_text, check_type, event_at_once, event_from_json
from hub.fanout.delivery import Delivery
from hub.fanout.pace import Pace
from hub.identity import Action
from hub.json_text import parse_json
from hub.settings import Settings
from hub.store.history import Appended, IdempotencyKey
from hub.web.body import Sent, json_limits, read_body
from hub.web.caller import Caller
from hub.web.request_head import RequestHead

MAX_BATCH_EVENTS = 1000
MAX_BATCH_BYTES = 8 * 2**20
MAX_KEY = 128
NDJSON = "application/x-ndjson"
_UTF8_BYTES = 4
_LINES_PER_EVENT = 2
"""Blank lines are ignored, up to so many."""


class Publishing:
    """Publishes what a request holds: the one way of the route and of the door (`door`)."""

    def __init__(self, delivery: Delivery, limits: Limits) -> None:
        self.delivery = delivery
        self._limits = limits

    def publish(
        self, channel: str, head: RequestHead, caller: Caller, sent: Sent
    ) -> tuple[int, dict[str, Any]]:
        """The status and the JSON of the answer. Raises `HubError`; then nothing was stored, or
        `RedisUnavailable`, and nobody knows."""
        publish = self.read(self.wish(channel, head, caller), sent)
        self.count(publish, caller)
        history, step = self.delivery.history, Pace().step
        stored = history.append(channel, publish.events, key=publish.key, step=step)
        return self.answer(publish, stored)

    def may_at_once(self, channel: str, caller: Caller) -> bool:
        """Whether neither the right to publish here nor a limit is to be asked for in Redis."""
        return not self._limits.counts_publishes and caller.may(Action.PUBLISH, channel)

    def wish(self, channel: str, head: RequestHead, caller: Caller) -> Wish:
        """What the head says, which the caller may. Raises `HubError`."""
        caller.require_free(channel)
        caller.require(Action.PUBLISH, channel)
        kind = head.media_type
        named = dict(reversed(head.query_pairs())).get("event")
        check_type(named)
        if kind not in (NDJSON, "text/plain", "application/json"):
            raise UnsupportedMediaType(
                f"Content-Type: must be application/json, text/plain or {NDJSON}"
            )
        return Wish(channel, kind, named, idempotency_key(head), caller.subject)

    def read(self, wish: Wish, sent: Sent) -> Publish:
        """What is to be published, checked. Raises `HubError`."""
        events, compared = _events(wish, sent, self.delivery.settings)
        key = None
        if wish.key is not None:
            key = IdempotencyKey.of(wish.subject, wish.key, compared)
        return Publish(wish.channel, events, wish.kind == NDJSON, key)

    def count(self, publish: Publish, caller: Caller) -> None:
        """Raises `TooMany`, where the caller has published too much of late."""
        self._limits.publish(caller.counted_as, len(publish.events))

    def answer(self, publish: Publish, stored: Appended) -> tuple[int, dict[str, Any]]:
        """The status and the JSON of the answer, when it is stored."""
        if not stored.answered:
            self.delivery.counters.published += len(stored.ids)
        status = 200 if stored.answered else 201
        if publish.batch:
            return status, {"ids": stored.ids}
        return status, {"id": stored.ids[0], "channel": publish.channel}


class Wish(NamedTuple):
    """A publish, as far as its head tells. `named` is the type of an event that is plain text, and
    `key` the Idempotency-Key."""

    channel: str
    kind: str
    named: str | None
    key: str | None
    subject: str


class Publish(NamedTuple):
    """Events that may be stored. `batch`: NDJSON was sent, and the answer lists ids."""

    channel: str
    events: Sequence[Event]
    batch: bool
    key: IdempotencyKey | None


def _events(wish: Wish, sent: Sent, settings: Settings) -> tuple[Sequence[Event], bytes]:
    """The events of a request, and what an Idempotency-Key compares. Raises `FieldError` naming
    the field, or `TooLarge`."""
    max_event_bytes = settings.max_event_bytes
    if wish.kind == NDJSON:
        body = read_body(sent, MAX_BATCH_BYTES, settings)
        return _events_of_lines(body, settings), body
    if wish.kind == "text/plain":
        body = read_body(sent, max_event_bytes, settings)
        event = Event(_text(body), check_type(wish.named))
        return [event], (wish.named or "").encode() + b"\n" + body
    body = read_body(sent, json_body_bytes(settings), settings)
    event = _event_of_json(body, settings)
    _check_size(event, max_event_bytes, "data")
    return [event], body


def _event_of_json(text: bytes, settings: Settings, within: str = "") -> Event:
    # A text holds no more values than bytes.
    event = event_at_once(text, within) if len(text) <= settings.max_json_nodes else None
    if event is None:
        pace = Pace()
        value = parse_json(text, json_limits(settings), within or "body", pace.step)
        pace.step()  # what is made of it takes a while again
        event = event_from_json(value, within)
    return event


def json_body_bytes(settings: Settings) -> int:
    """JSON may spell a character in six bytes; the data itself is measured when it is read."""
    return settings.max_event_bytes * 6 + 4096


def check_json(request: Request) -> None:
    """A page of another origin may send text without asking first, and JSON not: what is not called
    JSON is not read as it."""
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("Content-Type: must be application/json")


def idempotency_key(head: RequestHead) -> str | None:
    key = head.headers.get("idempotency-key")
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
    events, pace = [], Pace()
    for number, line in lines:
        event = _event_of_json(line, settings, f"line {number}")
        _check_size(event, settings.max_event_bytes, f"line {number}.data")
        events.append(event)
        pace.step()
    return events


def _check_size(event: Event, limit: int, field: str) -> None:
    if len(event.data) * _UTF8_BYTES <= limit:
        return
    size = len(event.data.encode())
    if size > limit:
        raise TooLarge(f"{field}: {size} bytes, at most {limit}")


def _text(body: bytes) -> str:
    try:
        return check_text(body.decode(), "body")
    except UnicodeDecodeError:
        raise FieldError("body", "is not UTF-8") from None
