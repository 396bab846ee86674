"""A provider's `text/event-stream` as bytes → its events (HTML §9.2.6), at any borders.

Apart from `hub.sse.Parser` because of its price: this runs for every delta of every generation, and
a chunk that comes whole must cost little more than finding its line end. It also takes what a
browser's parser would not: a body that is JSON all along, and older llama.cpp's field `error:`.

Promises: no more than `MAX_EVENT_BYTES` are held, and no byte is copied more than a few times
however small the reads are.
"""

from __future__ import annotations

from typing import NamedTuple

MAX_EVENT_BYTES = 8 * 2**20
"""Longest event, or JSON answer, that is read."""

_LINE_BYTES = 64
"""What a line of data takes in memory beside its text: an endless row of empty ones is too long."""

_LEADING_SPACE = 1024
_BOM = b"\xef\xbb\xbf"


class WireEvent(NamedTuple):
    """One event: its `event:` name (empty: none) and its data; a LF parts several `data:` lines."""

    name: str
    data: bytes


class EventTooLong(Exception):
    """One event, or the JSON body, is longer than `MAX_EVENT_BYTES`."""


class SseReader:
    """Feed it what was read; it returns the events that are complete."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # of a line whose end has not come
        self._held = 0  # bytes in _pieces and _data
        self._data: list[bytes] = []
        self._name = ""
        self._after_cr = False
        self._started = False
        self._bom_seen = False
        self.is_json = False
        """The body is one JSON document instead of a stream."""

    def feed(self, data: bytes) -> list[WireEvent]:
        if not self._started:
            data = self._start(data)
        if self.is_json:
            self._hold(data)
            return []
        if b"\r" in data or self._after_cr:
            data = self._without_cr(data)
        if b"\n" not in data:
            self._hold(data)
            return []
        if self._pieces:
            self._pieces.append(data)
            data = b"".join(self._pieces)
            self._pieces.clear()
        lines = data.split(b"\n")
        rest = lines.pop()
        events: list[WireEvent] = []
        for line in lines:
            if line:
                self._line(line)
            elif self._data:
                events.append(WireEvent(self._name, b"\n".join(self._data)))
                self._data.clear()
                self._name = ""
            else:
                self._name = ""
        self._held = sum(map(len, self._data)) + _LINE_BYTES * len(self._data)
        if rest or self._held > MAX_EVENT_BYTES:
            self._hold(rest)
        return events

    def end(self) -> list[WireEvent]:
        """The body is over: the last event, though its blank line or line end is missing."""
        if self.is_json:
            body = b"".join(self._pieces)
            self._pieces.clear()
            return [WireEvent("", body)]
        return self.feed(b"\n\n") if self._started or self._pieces else []

    def _start(self, data: bytes) -> bytes:
        """Skip a BOM and white space, and see whether this is JSON instead of a stream."""
        if self._pieces:
            data = b"".join([*self._pieces, data])
            self._pieces.clear()
            self._held = 0
        if not self._bom_seen:
            if len(data) < 3 and _BOM.startswith(data):
                self._hold(data)
                return b""
            self._bom_seen = True
            data = data.removeprefix(_BOM)  # a second one belongs to the first line
        text = data.lstrip()
        # Of white space only what may begin a line counts: it is another field's name.
        line = data[max(data.rfind(b"\n"), data.rfind(b"\r")) + 1 :]
        if not text and len(line) <= _LEADING_SPACE:
            self._hold(line)
            return b""
        self._started = True
        self.is_json = text[:1] in (b"{", b"[")
        # White space before a document is held or not as the reads were cut: it says nothing.
        return text if self.is_json else data

    def _without_cr(self, data: bytes) -> bytes:
        """CRLF and CR become LF. A CR ends its line at once; a LF in the next read is its half."""
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if data.endswith(b"\r"):
            self._after_cr = True
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _hold(self, data: bytes) -> None:
        self._held += len(data)
        if self._held > MAX_EVENT_BYTES:
            raise EventTooLong
        if data:
            self._pieces.append(data)

    def _line(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            return
        field, _, value = line.partition(b":")
        if field == b"event":
            self._name = value.removeprefix(b" ").decode(errors="replace")
        elif field == b"error":
            self._name = "error"
            self._data.append(value)
        elif field == b"data":
            self._data.append(b"")
