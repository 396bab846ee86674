"""A tab on a generation that comes back whatever breaks, until it has seen the end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from typing import Any

from hub.sse import Parsed
from tests.support.deadline import eventually
from tests.support.stream import Ended, EventStream

TERMINAL = ("completed", "failed", "cancelled")


class Tab(threading.Thread):
    """`text` is what it shows, `terminal` the event that ended it ("gone": the hub said that the
    generation is), `wrong` what it should not have seen."""

    def __init__(self, urls: Sequence[str], generation_id: str, *, cut_after: int = 0) -> None:
        super().__init__(name=f"tab on {generation_id}", daemon=True)
        self.generation_id = generation_id
        self.prompt = ""
        self.emptied = 0
        self.text = ""
        self.restarts: list[dict[str, Any]] = []
        self.terminal = ""
        self.ending: dict[str, Any] = {}
        self.streams = 0
        self.wrong: list[str] = []
        self._urls = urls
        self._cut_after = cut_after
        self._last_id = ""
        self._places: set[str] = set()
        self._halt = threading.Event()
        self.start()

    def stop(self) -> None:
        self._halt.set()
        self.join(15)

    def shows(self, text: str, within_seconds: float = 10.0) -> Tab:
        eventually(lambda: self.text.startswith(text) or self.wrong, within_seconds)
        assert not self.wrong, self.wrong
        return self

    def ended(self, within_seconds: float = 30.0) -> Tab:
        eventually(lambda: self.terminal or self.wrong, within_seconds)
        assert not self.wrong, self.wrong
        return self

    def run(self) -> None:
        turn = 0
        while not self.terminal and not self._halt.is_set():
            url = self._urls[turn % len(self._urls)]
            turn += 1
            try:
                stream = EventStream(
                    f"{url}/generations/{self.generation_id}/events",
                    query={"heartbeat": 1},
                    last_event_id=self._last_id or None,
                    timeout=20,
                )
            except (OSError, Ended):
                self._halt.wait(0.05)
                continue
            with stream:
                self._watch(stream)
            self._halt.wait(0.02)

    def _watch(self, stream: EventStream) -> None:
        self.streams += 1
        if stream.status != 200:
            self._unusual(stream)
            return
        stream.socket.settimeout(0.2)
        heard = time.monotonic()
        while not self._halt.is_set():
            for event in stream.events:
                self._fold(event)
            self._last_id = stream.last_id
            seen = len(stream.events)
            stream.events.clear()
            if stream.ended or self.terminal:
                return
            if self._cut_after:
                self._cut_after = max(0, self._cut_after - seen)
                if not self._cut_after:
                    stream.cut()
                    return
            try:
                stream.feed_some()
                heard = time.monotonic()
            except TimeoutError:
                if time.monotonic() - heard > 15:
                    self.wrong.append("silent for 15 s")
                    return

    def _unusual(self, stream: EventStream) -> None:
        if stream.status == 204:
            self.wrong.append("204 although the end was not seen")
        elif stream.status == 404:
            self.terminal = "gone"
        elif stream.status != 503:
            self.wrong.append(f"status {stream.status}")

    def _fold(self, event: Parsed) -> None:
        data: dict[str, Any] = json.loads(event.data)
        if event.event == "heartbeat":
            return
        if event.event == "subscribed":
            if not all(verdict["recovered"] for verdict in data["channels"].values()):
                self.text = ""  # a snapshot follows, or there is nothing to show
            return
        if event.event == "closing":
            if not data["reconnect"]:
                self.terminal, self.ending = "gone", data
            return
        if event.event == "gap":
            self.text = ""
            self.ending = data
            return
        if event.id in self._places and event.event != "snapshot":
            self.wrong.append(f"{event.event} {event.id} twice")
        self._places.add(event.id)
        if event.event == "delta":
            self.text += data.get("content", "")
        elif event.event == "snapshot":
            self.text = "".join(choice["content"] for choice in data["choices"][:1])
        elif event.event == "restarted":
            self.text = ""
            self.restarts.append(data)
        elif event.event in TERMINAL:
            self.terminal, self.ending = event.event, data
