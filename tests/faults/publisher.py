"""A publisher that goes on whatever happens: each event is sent again until it is acknowledged."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from itertools import count
from uuid import uuid4

import requests

from tests.faults.payload import number_of, payload
from tests.support.deadline import eventually


class Publisher(threading.Thread):
    """Publishes events 1, 2, 3 … of `channel` until `finish`.

    An Idempotency-Key names each event, so that sending it again stores it once. `acknowledged` is
    the newest number that was answered 201 or 200; `answers` counts the statuses (0: none came).
    What is not an honest answer is written into `wrong`.
    """

    def __init__(
        self,
        urls: Sequence[str],
        channel: str,
        *,
        pause_seconds: float = 0.005,
        batch: int = 1,
        patience_seconds: float = 20.0,
    ) -> None:
        super().__init__(name=f"publisher of {channel}", daemon=True)
        self.channel = channel
        self.acknowledged = 0
        self.sent = 0
        self.answers: Counter[int] = Counter()
        self.slowest_seconds = 0.0
        self.wrong: list[str] = []
        self.pause_seconds = pause_seconds
        self._urls = urls
        self._batch = batch
        self._patience_seconds = patience_seconds
        self._name = uuid4().hex
        self._turn = count()
        self._halt = threading.Event()
        self._session = requests.Session()

    def run(self) -> None:
        with self._session:
            while not self._halt.is_set():
                self._publish_next()
                self._halt.wait(self.pause_seconds)

    def reached(self, number: int, within_seconds: float = 20.0) -> Publisher:
        """Wait until `number` is acknowledged."""
        eventually(lambda: self.acknowledged >= number or self.wrong, within_seconds)
        assert not self.wrong, self.wrong
        return self

    def further(self, events: int = 30, within_seconds: float = 20.0) -> Publisher:
        """Wait until that many more are acknowledged."""
        return self.reached(self.acknowledged + events, within_seconds)

    def finish(self, within_seconds: float = 30.0) -> int:
        """Stop behind an acknowledged event. Its number."""
        self._halt.set()
        self.join(within_seconds)
        assert not self.is_alive(), f"{self.name} hangs after {self.acknowledged}"
        assert not self.wrong, self.wrong
        assert self.acknowledged == self.sent
        return self.acknowledged

    def _publish_next(self) -> None:
        first = self.acknowledged + 1
        self.sent = first + self._batch - 1
        lines = [
            json.dumps({"data": payload(self.channel, number)})
            for number in range(first, first + self._batch)
        ]
        give_up = time.monotonic() + 60
        while not self._send("\n".join(lines), f"{self._name}-{first}"):
            if time.monotonic() > give_up:
                self.wrong.append(f"event {first} could not be published in 60 s")
                self._halt.set()
                return
            time.sleep(0.05)
        self.acknowledged = self.sent

    def _send(self, body: str, key: str) -> bool:
        url = self._urls[next(self._turn) % len(self._urls)]
        kind = "application/json" if self._batch == 1 else "application/x-ndjson"
        began = time.monotonic()
        try:
            answer = self._session.post(
                f"{url}/channels/{self.channel}/events",
                data=body.encode(),
                headers={"Content-Type": kind, "Idempotency-Key": key},
                timeout=self._patience_seconds,
            )
        except requests.RequestException as error:
            self.answers[0] += 1
            if isinstance(error, requests.ReadTimeout):
                self.wrong.append(f"no answer within {self._patience_seconds} s")
            return False
        self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - began)
        self.answers[answer.status_code] += 1
        if answer.status_code == 503:
            if answer.json()["code"] != "redis-unavailable" or "Retry-After" not in answer.headers:
                self.wrong.append(answer.text)
            return False
        if answer.status_code not in (200, 201):
            self.wrong.append(f"{answer.status_code} {answer.text}")
        return answer.status_code in (200, 201)


def numbers_in_history(url: str, channel: str) -> list[int]:
    """The numbers of all events that the channel's history has, in its order."""
    numbers: list[int] = []
    after = ""
    while True:
        page = requests.get(
            f"{url}/channels/{channel}/history", params={"after": after}, timeout=15
        ).json()
        numbers += [number_of(channel, event["data"]) or 0 for event in page["events"]]
        if not page["next"]:
            return numbers
        after = page["next"]
