"""Listeners that come back as EventSource does, and judge every event that they get."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from hub.sse import Parsed
from tests.faults.payload import number_of
from tests.support.deadline import eventually
from tests.support.stream import Ended, EventStream


@dataclass
class Judge:
    """Whether the events of one channel came whole, once and in order, or a loss was told.

    `lost`, `doubled`, `damaged` are what must never happen; `losses` are the reasons that were
    told (`gap`, `recovered: false`), each of which allows the next event to be any. `again` counts
    the times that one was told to a listener which had left before the event behind it came.
    """

    channel: str
    last: int = 0
    delivered: int = 0
    lost: int = 0
    doubled: int = 0
    damaged: int = 0
    losses: list[str] = field(default_factory=list)
    again: int = 0
    told: list[str] = field(default_factory=list)
    """When each loss was told, and after what event, for the log."""
    notes: list[str] = field(default_factory=list)
    anywhere: bool = False
    _told: bool = False

    def event(self, event: Parsed) -> None:
        number = number_of(self.channel, event.data)
        if number is None:
            self.damaged += 1
            self.notes.append(f"damaged: {event.data[:80]!r}")
            return
        self.delivered += 1
        if not self.anywhere and number != self.last + 1:
            if number > self.last:
                self.lost += number - self.last - 1
            else:
                self.doubled += 1
            self.notes.append(f"{number} after {self.last} ({event.id})")
        self.anywhere = self._told = False
        self.last = number

    def loss(self, reason: str, how: str = "") -> None:
        if self._told:
            self.again += 1
        else:
            self.losses.append(reason)
        self.anywhere = self._told = True
        self.told.append(f"{datetime.now():%H:%M:%S.%f} {reason} after {self.last}, {how}")

    @property
    def faults(self) -> list[str]:
        return self.notes[:5]


class Listener(threading.Thread):
    """Returns with its last id whenever its stream ends, to the next of `urls`. It listens to one
    channel (`judge`), or to several on one connection (`judges`).

    `read_bytes` and `pause_seconds` make it slow. It listens from the channel's start unless
    `start` says otherwise ("now": the first event may be any). A stream that gives no byte for
    `silence_seconds` counts as hanging, for each has a heartbeat a second. With `wander_seconds` it
    leaves by itself, after about that time, and returns elsewhere.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *channels: str,
        start: str = "start",
        read_bytes: int = 65536,
        pause_seconds: float = 0.0,
        receive_buffer: int = 0,
        silence_seconds: float = 8.0,
        wander_seconds: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(name=f"listener of {' '.join(channels)}", daemon=True)
        self.judges = {name: Judge(name, anywhere=start == "now") for name in channels}
        self.judge = self.judges[channels[0]]
        self.streams = 0
        self.refused = 0
        self.cuts = 0
        self.heartbeats = 0
        self.hanging = 0
        self.longest_silence_seconds = 0.0
        self.closings: Counter[str] = Counter()
        self.retries_ms: list[int] = []
        self.wrong: list[str] = []
        self.silence_seconds = silence_seconds
        self._wander_seconds = wander_seconds
        self._urls = urls
        self._start = start
        self._read_bytes = read_bytes
        self._pause_seconds = pause_seconds
        self._receive_buffer = receive_buffer
        self._random = Random(seed)
        self._halt = threading.Event()
        self._cut = threading.Event()
        self._last_id = ""

    @property
    def last(self) -> int:
        return self.judge.last

    def cut(self) -> None:
        """Lose the connection without notice, and come back."""
        self._cut.set()

    def stop(self) -> None:
        self._halt.set()

    def run(self) -> None:
        while not self._halt.is_set():
            url = self._urls[(self.streams + self.refused) % len(self._urls)]
            try:
                stream = EventStream(
                    url + self._path(),
                    query={"heartbeat": 1, "from": self._start},
                    last_event_id=self._last_id or None,
                    receive_buffer=self._receive_buffer,
                )
            except (OSError, Ended):
                self.refused += 1
                self._halt.wait(0.05)
                continue
            with stream:
                self._listen(stream, url)
            self._halt.wait(self._random.uniform(0.0, 0.1))

    def _path(self) -> str:
        if len(self.judges) == 1:
            return f"/channels/{self.judge.channel}/events"
        return "/events?" + "&".join(f"channel={name}" for name in self.judges)

    def _listen(self, stream: EventStream, url: str) -> None:
        if stream.status != 200:
            self.wrong.append(f"status {stream.status}")
            self._halt.set()
            return
        self.streams += 1
        stream.socket.settimeout(0.1)
        heard = time.monotonic()
        leaves = heard + self._random.uniform(0.2, 2.0) * (self._wander_seconds or 1e9)
        while True:
            for event in stream.events:
                self._event(event, url)
            stream.events.clear()
            stream.received_at.clear()
            stream.raw.clear()
            self._last_id = stream.last_id
            if stream.ended or self._halt.is_set():
                return
            if self._cut.is_set() or heard > leaves:
                self._cut.clear()
                self.cuts += 1
                stream.cut()
                return
            try:
                stream.feed_some(self._read_bytes)
                heard = time.monotonic()
            except TimeoutError:
                silence = time.monotonic() - heard
                self.longest_silence_seconds = max(self.longest_silence_seconds, silence)
                if silence > self.silence_seconds:
                    self.hanging += 1
                    return
            if self._pause_seconds:
                self._halt.wait(self._pause_seconds)

    def _event(self, event: Parsed, url: str) -> None:
        if event.event == "heartbeat":
            self.heartbeats += 1
        elif event.event == "subscribed":
            for name, verdict in json.loads(event.data)["channels"].items():
                if not verdict["recovered"]:
                    self.judges[name].loss(verdict["reason"], f"subscribed at {url}")
        elif event.event == "gap":
            gap = json.loads(event.data)
            self.judges[gap["channel"]].loss(gap["reason"], f"gap at {url}")
        elif event.event == "closing":
            self.closings[json.loads(event.data)["reason"]] += 1
            if event.retry_ms is not None:
                self.retries_ms.append(event.retry_ms)
        else:
            words = event.data.split(" ", 2)
            self.judges.get(words[1] if len(words) > 2 else "", self.judge).event(event)


class Audience:
    """Some listeners, judged together."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []

    def add(self, listener: Listener) -> Listener:
        self.listeners.append(listener)
        listener.start()
        return listener

    def connected(self, within_seconds: float = 10.0) -> Audience:
        """Wait until each has had a stream."""
        self.every(lambda listener: listener.streams > 0, within_seconds)
        return self

    def every(
        self, condition: Callable[[Listener], object], within_seconds: float = 15.0
    ) -> Audience:
        def missing() -> bool:
            return all(condition(listener) for listener in self.listeners)

        try:
            eventually(missing, within_seconds)
        except AssertionError:
            raise AssertionError(f"not within {within_seconds} s: {self.report()}") from None
        return self

    def has_all(self, number: int, within_seconds: float = 20.0) -> Audience:
        """Each has got every event up to `number`, whole, once and in order; none was told of a
        loss, none was left hanging."""
        self.has_or_was_told(number, within_seconds)
        told = [loss for listener in self.listeners for loss in listener.judge.losses]
        assert not told, f"losses told: {told}"
        return self

    def has_or_was_told(self, number: int, within_seconds: float = 20.0) -> Audience:
        """The same, except that a loss may have been told."""
        self.every(
            lambda listener: listener.last >= number or not listener.is_alive(), within_seconds
        )
        self.sound()
        behind = [listener.last for listener in self.listeners if listener.last != number]
        assert not behind, f"not at {number}: {self.report()}"
        return self

    def sound(self) -> None:
        """Nothing that must never happen has happened."""
        for listener in self.listeners:
            judge = listener.judge
            assert not listener.wrong, listener.wrong
            assert not (judge.lost or judge.doubled or judge.damaged), judge.faults
            assert not listener.hanging, self.report()

    def stop(self) -> None:
        for listener in self.listeners:
            listener.stop()
        for listener in self.listeners:
            listener.join(15)
            assert not listener.is_alive(), "a listener of the tests does not end"

    def report(self) -> str:
        return "; ".join(
            f"at {each.last}, {each.streams} streams, {each.refused} refused, "
            f"told {each.judge.losses}, closings {dict(each.closings)}, "
            f"silent {each.longest_silence_seconds:.1f} s, hanging {each.hanging}, {each.wrong}"
            for each in self.listeners[:12]
        )
