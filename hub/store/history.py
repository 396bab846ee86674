"""History: append, read, inspect and delete a channel. The only place that knows its Redis keys.

Each stored event carries the id of the one before it, so a hole is provable: if the event after
position P does not name P as its predecessor, something between them is gone, and the channel's
state says how. The scripts (`lua/`) do each thing in one step; this module gives them names.

Keys of a channel, all with one hash tag so that a Cluster keeps them together:

    hub:{channel}:events        stream     the history
    hub:{channel}:state         hash       outlives the history: last id, counters, what was lost
    hub:{channel}:producers:T   hash       the newest batch of each producer, T two minutes apart
    hub:{channel}:answered:K    string     an Idempotency-Key and what it was answered
    hub:{channel}:wire:I        string     an event id of a publisher's own
    hub:{channel}:presence      hash       how many listeners each process has
    hub:{channel}:record, :log             for the channel's writer (`RecordWrite`)
    hub:{channel}                          the pub/sub channel (`announcement`)
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from hub import sse
from hub.channel import BEFORE_FIRST, order
from hub.errors import KeyReused, Refused, TooLarge
from hub.event import Event
from hub.settings import Settings
from hub.store.announcement import announcement_channel
from hub.store.batch import Call, run_many
from hub.store.follow import found
from hub.store.frame import ChannelState, Page, parse_page, parse_state
from hub.store.redis_link import TRY_SECONDS, RedisLink, Script

IDEMPOTENCY_SECONDS = 600
PAGE_EVENTS = 1000
PAGE_BYTES = 256 * 1024
_BUCKET_SECONDS = 120

APPEND = Script.load("channel", "append")
_READ = Script.load("channel", "read")
_INSPECT = Script.load("channel", "inspect")
_DELETE = Script.load("channel", "delete")
_PRESENCE = Script.load("channel", "presence")
_RECORD = Script.load("channel", "record")


@dataclass(frozen=True, slots=True)
class Producer:
    """One sequence of appends. `batch` grows by one with each; a batch is stored once, however
    often it is sent. `started` (seconds since the epoch) must be the same at each sending."""

    id: str
    batch: int
    started: float


@dataclass(frozen=True, slots=True)
class RecordWrite:
    """What to write beside the events, in the same step.

    Every field in `expect` must have that value ('' for absent), or the append is `Refused`: this
    is how a writer that was taken over is fenced off. `log` is appended to the record's log, or
    replaces it.
    """

    expect: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    log: str | None = None
    replace_log: bool = False


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    key: str
    body_hash: str

    @classmethod
    def of(cls, subject: str, key: str, body: bytes) -> IdempotencyKey:
        """`subject` is who publishes: two who choose the same key do not meet."""
        return cls(sha256(f"{subject}\0{key}".encode()).hexdigest()[:40], sha256(body).hexdigest())


@dataclass(frozen=True, slots=True)
class Appended:
    """`answered`: an Idempotency-Key repeated itself and nothing was stored now."""

    ids: list[str]
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """What `RecordWrite`s have left, and the channel's state at the same moment.

    `log` is the part of the log that was asked for, `log_bytes` the size of the whole.
    """

    state: ChannelState
    fields: dict[str, str]
    log: bytes
    log_bytes: int


@dataclass(frozen=True, slots=True)
class Inspection:
    last: str
    oldest: str
    retained: int


class History:
    """The histories of all channels on one Redis."""

    def __init__(self, link: RedisLink, settings: Settings) -> None:
        self.link = link
        self._settings = settings
        self._keep = (
            settings.history_seconds,
            max(settings.channel_seconds, settings.history_seconds),
        )
        self._name = secrets.token_hex(8)
        self._free: list[tuple[str, int]] = []
        self._made = 0

    def append(
        self,
        channel: str,
        events: Sequence[Event],
        *,
        producer: Producer | None = None,
        key: IdempotencyKey | None = None,
        record: RecordWrite | None = None,
        ends: bool = False,
        try_seconds: float = TRY_SECONDS,
    ) -> Appended:
        """Store and announce `events` in order, all or none; write `record` in the same step.

        `ends` makes the last event the channel's terminal one. Raises `TooLarge`, `KeyReused`,
        `Refused`, or `RedisUnavailable` (then nobody knows whether it was stored; sending the same
        `producer` batch again is safe).
        """
        slot = None if producer else self._take_slot()
        if slot:
            producer = Producer(slot[0], slot[1], time.time())
        assert producer is not None
        keys, args = self.append_call(
            channel, events, producer=producer, key=key, record=record, ends=ends
        )
        reply = self.link.run(APPEND, keys, args, try_seconds=try_seconds, durable=True)
        if slot:  # not after an exception: a sending that is still under way may arrive later
            self._free.append((slot[0], slot[1] + 1))
        return self.appended(channel, reply)

    def read(
        self,
        channel: str,
        position: str,
        *,
        limit: int = PAGE_EVENTS,
        limit_bytes: int = PAGE_BYTES,
    ) -> Page:
        """The events after `position` (an id as a client gave it, or `BEFORE_FIRST`)."""
        page: Page | None = None
        if order(position) is not None:
            page = self._read(channel, "", position, limit, limit_bytes)
            if found(page).lost != "unknown-id":
                return page
        resolved = self._read(channel, position[:256], "?", limit, limit_bytes)
        return resolved if resolved.position or page is None else page

    def _read(
        self, channel: str, wire_id: str, position: str, limit: int, limit_bytes: int
    ) -> Page:
        keys = [*self._base(channel), f"hub:{{{channel}}}:wire:{wire_id}"]
        return parse_page(self.link.run(_READ, keys, [*self._keep, position, limit, limit_bytes]))

    def state(self, channel: str) -> ChannelState:
        keys = [*self._base(channel), f"hub:{{{channel}}}:wire:"]
        return parse_page(self.link.run(_READ, keys, [*self._keep, "", 0, 0])).state

    def inspect(self, channel: str) -> Inspection:
        last, oldest, retained = self.link.run(_INSPECT, self._base(channel), self._keep)
        return Inspection(last.decode(), oldest.decode(), retained)

    def record(self, channel: str, *fields: str, log_from: int = 0, log_bytes: int = 0) -> Record:
        """The channel's record, all of it or the `fields` named, and at most `log_bytes` of its
        log; without fields where it is gone or never was."""
        keys = [*self._base(channel), *_record_keys(channel)]
        reply = self.link.run(_RECORD, keys, [*self._keep, log_from, log_bytes, *fields])
        return _record(reply)

    def records(self, channels: Sequence[str], *fields: str) -> list[Record]:
        """These fields of many channels' records, in one round trip per Redis node."""
        calls: list[Call] = [
            (
                [*self._base(channel), *_record_keys(channel)],
                [*self._keep, 0, 0, *fields],
            )
            for channel in channels
        ]
        return [_record(reply) for reply in run_many(self.link, _RECORD, calls)]

    def delete(self, channel: str) -> None:
        """Forget the events and the record; ids go on growing and every listener is told by
        `gap`."""
        self.link.run(
            _DELETE,
            [*self._base(channel), *_record_keys(channel)],
            [*self._keep, self.link.publish_command, announcement_channel(channel)],
            durable=True,
        )

    def present(
        self, process: str, listeners: Mapping[str, int], lapse_ms: int
    ) -> list[tuple[int, str, int]]:
        """Say how many listeners a process has on each channel. For each comes back the others'
        sum, the channel's last id and how often it was deleted. Keeps the channels' states alive.
        One round trip per Redis node."""
        calls: list[Call] = [
            (
                [*self._base(channel), f"hub:{{{channel}}}:presence"],
                [*self._keep, process, count, lapse_ms],
            )
            for channel, count in listeners.items()
        ]
        return [
            (others, last.decode() or BEFORE_FIRST, int(deletions))
            for others, last, deletions in run_many(self.link, _PRESENCE, calls)
        ]

    def _base(self, channel: str) -> list[str]:
        return [f"hub:{{{channel}}}:events", f"hub:{{{channel}}}:state"]

    def append_call(
        self,
        channel: str,
        events: Sequence[Event],
        *,
        producer: Producer,
        key: IdempotencyKey | None = None,
        record: RecordWrite | None = None,
        ends: bool = False,
    ) -> tuple[list[str], list[object]]:
        """Keys and arguments of `APPEND` for one append, for those who send many at once; what
        comes back is for `appended`."""
        bodies = [sse.encode_body(event) for event in events]
        for event in events:
            size = len(event.data) if event.data.isascii() else len(event.data.encode())
            if size > self._settings.max_event_bytes:
                raise TooLarge(f"data: {size} bytes, at most {self._settings.max_event_bytes}")
        base = f"hub:{{{channel}}}"
        wire_id = events[0].wire_id if len(events) == 1 else None
        assert wire_id is not None or not any(event.wire_id for event in events)
        keys = [
            *self._base(channel),
            f"{base}:producers:{int(producer.started // _BUCKET_SECONDS)}",
            f"{base}:answered:{key.key if key else ''}",
            *_record_keys(channel),
            f"{base}:wire:{wire_id or ''}",
        ]
        write = record or RecordWrite()
        log_mode = "" if write.log is None else "replace" if write.replace_log else "append"
        args: list[object] = [
            *self._keep,
            self.link.publish_command,
            announcement_channel(channel),
            self._settings.history_events,
            self._settings.history_bytes,
            producer.id,
            producer.batch,
            key.body_hash if key else "",
            IDEMPOTENCY_SECONDS,
            "1" if ends else "",
            wire_id or "",
            log_mode,
            write.log or "",
            len(write.expect),
            len(write.fields),
        ]
        for pairs in (write.expect, write.fields):
            for name, value in pairs.items():
                args += (name, value)
        return keys, args + bodies

    def appended(self, channel: str, reply: list[Any]) -> Appended:
        """What the reply to an `append_call` says. Raises as `append` does."""
        word = reply[0]
        if word == b"refused":
            found = {reply[i].decode(): reply[i + 1].decode() for i in range(1, len(reply), 2)}
            raise Refused(f"{channel} has another writer", found)
        if word == b"reused":
            raise KeyReused("this Idempotency-Key came with another body before")
        ms, first, count = int(reply[1]), int(reply[2]), int(reply[3])
        ids = [f"{ms}-{seq}" for seq in range(first, first + count)]
        return Appended(ids, answered=word == b"answered")

    def _take_slot(self) -> tuple[str, int]:
        """A producer that no other append of this process uses at the moment."""
        if self._free:
            return self._free.pop()
        self._made += 1
        return f"{self._name}.{self._made}", 1


def _record(reply: list[Any]) -> Record:
    pairs = [value.decode() for value in reply[7]]
    fields = dict(zip(pairs[::2], pairs[1::2], strict=True))
    return Record(parse_state(reply), fields, reply[8], reply[9])


def _record_keys(channel: str) -> tuple[str, str]:
    return f"hub:{{{channel}}}:record", f"hub:{{{channel}}}:log"
