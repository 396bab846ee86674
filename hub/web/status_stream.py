"""How the hub is, told live to those who look at `/status`, by the hub's own stream.

Each web process has a channel of its own for it, whose name is none that a client could ask for.
While somebody listens there, a loop publishes every two seconds what `/status/data` says, without
its past; nobody listens, nothing is published. An operator who comes back to another process begins
there again, which loses nothing: every event is the whole state.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from hub.errors import RedisFailure
from hub.event import Event, compact_json
from hub.fanout.delivery import Delivery
from hub.fanout.loops import Loop
from hub.process import PerProcess, fresh_name
from hub.store.history import History
from hub.web.delivery_thread import DeliveryThread

log = logging.getLogger("hub.status")

PERIOD_SECONDS = 2.0
_KEPT_EVENTS = 5
_KEPT_SECONDS = 60


class StatusStream:
    """`told()` is what is published; it may raise `HubError`."""

    def __init__(self, delivery: Delivery, told: Callable[[], Mapping[str, Any]]) -> None:
        self._delivery = delivery
        self._told = told
        self._channel = PerProcess(lambda: f"~status.{fresh_name()}")
        kept = replace(
            delivery.settings,
            history_events=_KEPT_EVENTS,
            history_seconds=_KEPT_SECONDS,
            channel_seconds=_KEPT_SECONDS,
        )
        self._history = History(delivery.history.link, kept)
        self._loop: Loop | None = None

    def watched(self) -> str:
        """The channel, to which the state is published from now on, while somebody listens."""
        thread = DeliveryThread.of(self._delivery)
        if thread is None:
            self._begin()
        else:
            thread.call(self._begin)
        return self._channel.get()

    def _begin(self) -> None:
        if self._loop is None or self._loop.stopped:
            self._loop = self._delivery.loops.start("status", self._tell)

    def _tell(self, loop: Loop) -> None:
        channel = self._channel.get()
        loop.sleep(PERIOD_SECONDS)  # its first listener is there by then
        while self._delivery.listeners_of(channel):
            event = Event(compact_json(self._told()), "status")
            try:
                self._history.append(channel, [event], try_seconds=PERIOD_SECONDS)
            except RedisFailure as error:
                log.warning("the state of the hub is not told: %s", error.detail)
            loop.sleep(PERIOD_SECONDS)
