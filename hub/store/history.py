"""History: append, read, inspect and delete a channel.

Each stored event carries the id of the one before it, so a hole is provable: if the event after
position P does not name P as its predecessor, something between them is gone, and the channel's
state says how. The scripts (`lua/`) do each thing in one step, on the keys of `keys`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple

from hub import sse
from hub.channel import BEFORE_FIRST, order
from hub.errors import KeyReused, Refused, TooLarge
from hub.event import Event
from hub.json_text import go_on
from hub.process import PerProcess
from hub.settings import Settings
from hub.store import resp
from hub.store.batch import run_many
from hub.store.exchange import Step
from hub.store.follow import found
from hub.store.frame import ChannelState, Page, parse_page, parse_state
from hub.store.keys import digest
from hub.store.pipe import PackedCall
from hub.store.producer import Producer, Producers, is_of_a_copy
from hub.store.redis_link import TRY_SECONDS, RedisLink
from hub.store.script import Call, Script

IDEMPOTENCY_SECONDS = 600
PAGE_EVENTS = 1000
PAGE_BYTES = 256 * 1024
_BUCKET_SECONDS = 120
_PRODUCER_ARGUMENT = 6
"""Where the producer and its batch stand among the arguments of `append.lua`, the last of which is
the event."""
_PLAIN_CALLS = 1024

APPEND = Script.load("hub.store", "channel", "append")
_READ = Script.load("hub.store", "channel", "read")
_INSPECT = Script.load("hub.store", "channel", "inspect")
_DELETE = Script.load("hub.store", "channel", "delete")
_PRESENCE = Script.load("hub.store", "channel", "presence")
_RECORD = Script.load("hub.store", "channel", "record")


@dataclass(frozen=True, slots=True)
class RecordWrite:
    """What to write beside the events, in the same step.

    Every field in `expect` must have that value ('' for absent), or the append is `Refused`: this
    is how a writer that was taken over is fenced off. `log` is appended to the record's log, or
    replaces it.
    """

    expect: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str | bytes] = field(default_factory=dict)
    log: str | None = None
    replace_log: bool = False


_NO_RECORD = RecordWrite()


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    key: str
    body_hash: str

    @classmethod
    def of(cls, subject: str, key: str, body: bytes) -> IdempotencyKey:
        """`subject` is who publishes: two who choose the same key do not meet."""
        return cls(digest(f"{subject}\0{key}"), sha256(body).hexdigest())


class Appended(NamedTuple):
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


class _PlainCall(NamedTuple):
    """A packed append, but for the producer with its batch, and the event."""

    bucket: int
    begin: bytes
    middle: bytes


class History:
    """The histories of all channels on one Redis."""

    def __init__(self, link: RedisLink, settings: Settings) -> None:
        self.link = link
        self._keys = link.keys
        self._settings = settings
        self._keep = (
            settings.history_seconds,
            max(settings.channel_seconds, settings.history_seconds),
        )
        self._producers = PerProcess(Producers)
        self._plain_calls: dict[str, _PlainCall] = {}

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
        step: Step = go_on,
    ) -> Appended:
        """Store and announce `events` in order, all or none; write `record` in the same step.

        `ends` makes the last event the channel's terminal one. Raises `TooLarge`, `KeyReused`,
        `Refused`, `RedisRefused`, or `RedisUnavailable` (then nobody knows whether it was stored;
        sending the same `producer` batch again is safe). `step` is called between things that
        take a while together, so that others can be let run.
        """
        while True:
            by = producer or self.take_producer()
            keys, args = self.append_call(
                channel, events, producer=by, key=key, record=record, ends=ends, step=step
            )
            reply = self.link.run(
                APPEND, keys, args, try_seconds=try_seconds, durable=True, step=step
            )
            if producer is None:
                if is_of_a_copy(reply):
                    continue  # its name is not taken again
                self.give_back(by)
            return self.appended(channel, reply)

    def take_producer(self) -> Producer:
        """One that no other append of this process uses at the moment."""
        return self._producers.get().take()

    def give_back(self, producer: Producer) -> None:
        """Its batch was answered: another append may use it."""
        self._producers.get().give_back(producer)

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
        keys = [*self._base(channel), self._keys.key(channel, f"wire:{wire_id}")]
        return parse_page(self.link.run(_READ, keys, [*self._keep, position, limit, limit_bytes]))

    def state(self, channel: str) -> ChannelState:
        keys = [*self._base(channel), self._keys.key(channel, "wire:")]
        return parse_page(self.link.run(_READ, keys, [*self._keep, "", 0, 0])).state

    def inspect(self, channel: str) -> Inspection:
        last, oldest, retained = self.link.run(_INSPECT, self._base(channel), self._keep)
        return Inspection(last.decode(), oldest.decode(), retained)

    def record(self, channel: str, *fields: str, log_from: int = 0, log_bytes: int = 0) -> Record:
        """The channel's record, all of it or the `fields` named, and at most `log_bytes` of its
        log; without fields where it is gone or never was."""
        keys = [*self._base(channel), *self._record_keys(channel)]
        reply = self.link.run(_RECORD, keys, [*self._keep, log_from, log_bytes, *fields])
        return _record(reply)

    def records(self, channels: Sequence[str], *fields: str) -> list[Record]:
        """These fields of many channels' records, in one round trip per Redis node."""
        calls: list[Call] = [
            (
                [*self._base(channel), *self._record_keys(channel)],
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
            [*self._base(channel), *self._record_keys(channel)],
            [*self._keep, self.link.publish_command, self._keys.pubsub(channel)],
            durable=True,
        )

    def expire(self, channel: str, seconds: int) -> None:
        """Let the events and the record go after `seconds`; the channel's ids go on growing."""
        events, _ = self._base(channel)
        for key in (events, *self._record_keys(channel)):
            self.link.call(partial(_expire, key, seconds))

    def present(
        self, process: str, listeners: Mapping[str, int], lapse_ms: int
    ) -> list[tuple[int, str, int]]:
        """Say how many listeners a process has on each channel. For each comes back the others'
        sum, the channel's last id and how often it was deleted. Keeps the channels' states alive.
        One round trip per Redis node."""
        calls: list[Call] = [
            (
                [*self._base(channel), self._keys.key(channel, "presence")],
                [*self._keep, process, count, lapse_ms],
            )
            for channel, count in listeners.items()
        ]
        return [
            (others, last.decode() or BEFORE_FIRST, int(deletions))
            for others, last, deletions in run_many(self.link, _PRESENCE, calls)
        ]

    def _base(self, channel: str) -> list[str]:
        return [self._keys.key(channel, "events"), self._keys.key(channel, "state")]

    def _record_keys(self, channel: str) -> list[str]:
        return [self._keys.key(channel, "record"), self._keys.key(channel, "log")]

    def append_call(
        self,
        channel: str,
        events: Sequence[Event],
        *,
        producer: Producer | None = None,
        key: IdempotencyKey | None = None,
        record: RecordWrite | None = None,
        ends: bool = False,
        step: Step = go_on,
    ) -> Call:
        """Keys and arguments of `APPEND` for one append, for those who send many at once; what
        comes back is for `appended`.

        Without a `producer` a repetition is `Refused`, and known by what is found: something that
        `record` expects must be what it writes."""
        bodies = []
        for event in events:
            size = len(event.data) if event.data.isascii() else len(event.data.encode())
            if size > self._settings.max_event_bytes:
                raise TooLarge(f"data: {size} bytes, at most {self._settings.max_event_bytes}")
            bodies.append(sse.encode_body(event))
            step()
        wire_id = events[0].wire_id if len(events) == 1 else None
        assert wire_id is not None or not any(event.wire_id for event in events)
        bucket = int(producer.started // _BUCKET_SECONDS) if producer else ""
        keys = [
            *self._base(channel),
            self._keys.key(channel, f"producers:{bucket}"),
            self._keys.key(channel, f"answered:{key.key if key else ''}"),
            *self._record_keys(channel),
            self._keys.key(channel, f"wire:{wire_id or ''}"),
        ]
        write = record or _NO_RECORD
        log_mode = "" if write.log is None else "replace" if write.replace_log else "append"
        args: list[object] = [
            *self._keep,
            self.link.publish_command,
            self._keys.pubsub(channel),
            self._settings.history_events,
            self._settings.history_bytes,
            producer.id if producer else "",
            f"{producer.batch}:{producer.mark}" if producer else "",
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

    def plain_call(self, channel: str, event: Event, producer: Producer) -> Call | PackedCall:
        """`append_call` of one event and nothing beside it, packed at once: of its 27 parts all but
        three are the same for each event of a channel, and to put them together again took a
        seventh of all calls that a publish made."""
        unpacked = partial(self.append_call, channel, [event], producer=producer)
        body = sse.encode_body(event)
        if event.wire_id is not None or len(body) > self._settings.max_event_bytes:
            return unpacked()
        bucket = int(producer.started // _BUCKET_SECONDS)
        plain = self._plain_calls.get(channel)
        if plain is None or plain.bucket != bucket:
            plain = self._plain_call(channel, bucket)
        name, batch = producer.id.encode(), b"%d:%s" % (producer.batch, producer.mark.encode())
        packed = b"%s$%d\r\n%s\r\n$%d\r\n%s\r\n%s$%d\r\n%s\r\n" % (
            plain.begin, len(name), name, len(batch), batch, plain.middle, len(body), body,
        )  # fmt: skip
        return PackedCall(packed, unpacked)

    def _plain_call(self, channel: str, bucket: int) -> _PlainCall:
        nobody = Producer("", 0, bucket * _BUCKET_SECONDS)
        keys, args = self.append_call(channel, [Event("")], producer=nobody)
        pieces = list(resp.packed(APPEND.command(keys, args)))
        # The number of parts, then three pieces for each: its length, itself, a line end.
        at = 1 + 3 * (3 + len(keys) + _PRODUCER_ARGUMENT)
        begin, middle = b"".join(pieces[:at]), b"".join(pieces[at + 2 * 3 : -3])
        while len(self._plain_calls) >= _PLAIN_CALLS:
            del self._plain_calls[next(iter(self._plain_calls))]
        plain = self._plain_calls[channel] = _PlainCall(bucket, begin, middle)
        return plain

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


def _record(reply: list[Any]) -> Record:
    pairs = [value.decode() for value in reply[7]]
    fields = dict(zip(pairs[::2], pairs[1::2], strict=True))
    return Record(parse_state(reply), fields, reply[8], reply[9])


def _expire(key: str, seconds: int, client: Any) -> None:
    client.expire(key, seconds)
