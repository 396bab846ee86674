"""A listener of the property tests: it takes what it likes, when it likes, and keeps every byte."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import gevent

from hub import cursor, sse


class FickleTransport:
    """A transport that takes as much as its appetite allows and then blocks for a moment."""

    def __init__(self, random: Random, appetite: str, receive: Callable[[bytes], None]) -> None:
        self._random = random
        self.appetite = appetite
        self._receive = receive
        self._full = appetite == "nothing until the end"
        self._waiting: Callable[[], None] | None = None
        self._gone: Callable[[], None] | None = None
        self.closed = False

    def send(self, data: bytes) -> int:
        if self.closed:
            raise BrokenPipeError
        if self._full:
            raise BlockingIOError
        size = len(data)
        if self.appetite == "much":
            size = min(size, self._random.randint(1, 6000))
        elif self.appetite == "little":
            size = min(size, self._random.randint(0, 400))
        if size < len(data):
            self._full = True
        if not size:
            raise BlockingIOError
        self._receive(data[:size])
        return size

    def when_writable(self, callback: Callable[[], None]) -> None:
        self._waiting = callback
        if self.appetite != "nothing until the end":
            gevent.spawn_later(self._random.choice((0, 0.0005, 0.002)), self._drained)

    def when_gone(self, callback: Callable[[], None]) -> None:
        self._gone = callback

    def progress(self) -> Hashable | None:
        return None

    def break_off(self) -> None:
        pass

    def wake(self) -> None:
        """From now on take everything."""
        self.appetite = "all"
        self._drained()

    def vanish(self) -> None:
        if not self.closed and self._gone is not None:
            self._gone()

    def close(self, *, whole: bool = False) -> None:
        self.closed = True

    def _drained(self) -> None:
        self._full = False
        callback, self._waiting = self._waiting, None
        if callback is not None and not self.closed:
            callback()


@dataclass(frozen=True)
class Heard:
    """One dispatched event of a stream, and when it came."""

    event: str
    data: str
    id: str
    at: float

    def json(self) -> Any:
        return json.loads(self.data)


@dataclass(eq=False)
class Connection:
    """One stream from its opening to its end."""

    channels: tuple[str, ...]
    resumed_at: str
    mode: str
    began: float
    opened: float = 0.0
    transport: FickleTransport | None = None
    heard: list[Heard] = field(default_factory=list)
    cut: bool = False
    nothing_left: bool = False
    raw: bytearray = field(default_factory=bytearray)
    _parser: sse.Parser = field(default_factory=sse.Parser)

    def receive(self, data: bytes) -> None:
        self.raw += data
        self.heard += self._parsed(self._parser, data, time.monotonic())

    def lose_the_tail(self, size: int) -> None:
        """What was under way when the connection broke never arrived."""
        self.cut = True
        arrived = bytes(self.raw[: max(0, len(self.raw) - size)])
        self._parser = sse.Parser()
        times = [heard.at for heard in self.heard]
        again = self._parsed(self._parser, arrived, 0.0)
        self.heard = [Heard(h.event, h.data, h.id, at) for h, at in zip(again, times, strict=False)]

    @property
    def ended(self) -> bool:
        """Whether the hub has ended the stream."""
        return self.transport is not None and self.transport.closed

    @property
    def last_id(self) -> str:
        return self._parser.last_id or self.resumed_at

    def positions(self, event_id: str) -> list[str]:
        """The place in each channel that an id on this stream stands for; '' where a snapshot is
        still to come."""
        if not event_id:
            return [""] * len(self.channels)
        if len(self.channels) == 1:
            return [event_id]
        positions = cursor.decode(self.channels, event_id)
        assert positions is not None, f"{event_id!r} is no cursor over {self.channels}"
        return positions

    @staticmethod
    def _parsed(parser: sse.Parser, data: bytes, at: float) -> list[Heard]:
        return [Heard(p.event, p.data, p.id, at) for p in parser.feed(data)]
