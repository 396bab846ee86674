"""A watcher of a generation, as a browser tab is: it folds events into text, also over returns."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hub.channel import order
from hub.sse import Parsed
from tests.support.stream import OWN_TYPES, EventStream

TERMINAL = ("completed", "failed", "cancelled")


class Tab:
    """Reads a stream a piece at a time. `text` is what it shows; `wrong` what it should not have
    seen. `most_bytes` makes it slow; `cut_after` events make it drop off and come back."""

    def __init__(self, url: str, name: str, *, most_bytes: int = 65536, cut_after: int = 0) -> None:
        self.name = name
        self.text = ""
        self.wrong: list[str] = []
        self.done = False
        self._most_bytes = most_bytes
        self._cut_after = cut_after
        self._seen = 0
        self._last: tuple[int, int] = (0, 0)
        buffer = 4096 if most_bytes < 1000 else 0
        self._stream = EventStream(url, receive_buffer=buffer, timeout=30)
        self._fold_new()

    def fileno(self) -> int:
        return self._stream.fileno()

    def read(self) -> None:
        """Take in what has come; the socket is readable."""
        if not self._stream.feed_some(self._most_bytes) and not self.done:
            self._come_back()
        self._fold_new()
        if self._cut_after and len(self._stream.published) >= self._cut_after and not self.done:
            self._cut_after = 0
            self._stream.cut()
            self._come_back()

    def close(self) -> None:
        self._stream.close()

    def _come_back(self) -> None:
        self._stream = self._stream.returned()
        self._seen = 0
        if self._stream.status == 204:
            self.done = True
        self._fold_new()

    def _fold_new(self) -> None:
        events = self._stream.events
        while self._seen < len(events):
            event = events[self._seen]
            if (event.event == "subscribed") != (self._seen == 0):
                self.wrong.append(f"{event.event} as number {self._seen}")
            self._seen += 1
            if event.event not in OWN_TYPES:
                self._fold(event)
            elif event.event == "gap":
                self.wrong.append(f"a gap: {event.data}")

    def _fold(self, event: Parsed) -> None:
        place = order(event.id)
        if place is None or place <= self._last:
            self.wrong.append(f"{event.event} {event.id} after {self._last}")
        self._last = place or self._last
        data: dict[str, Any] = json.loads(event.data)
        if self.done:
            self.wrong.append(f"{event.event} after the end")
        if event.event == "delta":
            self.text += data.get("content", "")
        elif event.event == "snapshot":
            self.text = data["choices"][0]["content"]
        elif event.event == "restarted":
            self.text = ""
        self.done = event.event in TERMINAL


def opened(url: str, name: str, random: Random) -> Tab:
    """A tab of a kind drawn by lot: plain, slow, or one that is cut off and returns."""
    kind = random.choice(["plain", "plain", "slow", "cut"])
    if kind == "slow":
        return Tab(url, f"{name} slow", most_bytes=random.randint(20, 400))
    if kind == "cut":
        return Tab(url, f"{name} cut", cut_after=random.randint(1, 12))
    return Tab(url, name)
