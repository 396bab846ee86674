"""A publish on its way to Redis, among others' (`sender`)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from hub.store.pipe import PackedCall
from hub.store.producer import Producer, is_of_a_copy
from hub.store.redis_link import TRY_SECONDS
from hub.store.script import Call
from hub.web.known_heads import KnownHead
from hub.web.publishing import Publish

if TYPE_CHECKING:
    from hub.web.connection import Connection


class Posting:
    """A publish on its way to Redis: `sender.Ready`."""

    def __init__(self, connection: Connection, known: KnownHead, publish: Publish) -> None:
        self.channel = publish.channel
        self._connection = connection
        self._known = known
        self._publish = publish
        self._history = connection.publishing.delivery.history
        self._by: Producer | None = None
        self._give_up = time.monotonic() + TRY_SECONDS

    def call(self) -> Call | PackedCall | None:
        if time.monotonic() > self._give_up:
            # It may have been stored, and nobody knows; its name is not used again.
            self._connection.failed(self._known, self._connection.why_not())
            return None
        if self._by is None:
            self._by = self._history.take_producer()
        events, key = self._publish.events, self._publish.key
        if len(events) == 1 and key is None:
            return self._history.plain_call(self.channel, events[0], self._by)
        return self._history.append_call(self.channel, events, producer=self._by, key=key)

    def settle(self, reply: Any) -> bool:
        assert self._by is not None
        if is_of_a_copy(reply):
            self._by = None  # its name is not taken again
            return True
        self._history.give_back(self._by)
        stored = self._history.appended(self.channel, reply)
        self._connection.answer(
            self._known, *self._connection.publishing.answer(self._publish, stored)
        )
        return False

    def broken(self, error: Exception) -> bool:
        self._connection.failed(self._known, error)
        return False
