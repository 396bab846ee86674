"""The process's one subscription: announcements in, and the certainty that none is missing.

Where a connection was lost (`feed_connection` finds out), every room on it hears of that by being
`confirmed` again.

`barrier` answers the question "have I heard everything that was published until now?": Redis
answers a PING on the subscription behind all announcements that came before it. Those who ask while
a PING is under way share the next one, so a storm of arrivals costs a few.

In a Cluster there is one connection for each primary that holds a channel of ours (`SSUBSCRIBE`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import gevent

from hub.errors import RedisUnavailable
from hub.fanout.feed_connection import FeedConnection
from hub.store.redis_link import RedisLink

_LOOK_AGAIN_SECONDS = 0.02


class Subscriber(Protocol):
    """Who hears one pub/sub channel."""

    def announced(self, payload: bytes) -> None: ...

    def confirmed(self) -> None:
        """Redis has confirmed the subscription: the first time, or again after it was lost."""
        ...


class Feed:
    """All subscriptions of this process."""

    def __init__(self, link: RedisLink, turn_over: Callable[[], None]) -> None:
        self._link = link
        self._turn_over = turn_over
        self._subscribers: dict[bytes, Subscriber] = {}
        self._connections: dict[str, FeedConnection] = {}
        self._home: dict[bytes, FeedConnection] = {}
        self._adrift: list[bytes] = []
        self._layout_is_old = False
        self._settling: gevent.Greenlet | None = None
        self.reconnects = 0

    def subscribe(self, topic: str, subscriber: Subscriber) -> None:
        """Start hearing; `subscriber.confirmed` tells when nothing can be missed any more."""
        name = topic.encode()
        self._subscribers[name] = subscriber
        if self._link.cluster:  # whose layout may have to be asked for, which takes its time
            self._set_adrift([name])
        else:
            self._settle(name)

    def unsubscribe(self, topic: str) -> None:
        name = topic.encode()
        del self._subscribers[name]
        home = self._home.pop(name, None)
        if home is not None:
            home.drop(name)

    def barrier(self, topic: str, timeout_seconds: float) -> None:
        """Return when every announcement published on `topic` before now has been dispatched.
        Raises `RedisUnavailable` when that cannot be had in time."""
        give_up = time.monotonic() + timeout_seconds
        while (home := self._home.get(topic.encode())) is None:
            if time.monotonic() > give_up:
                raise RedisUnavailable("no node of the Cluster takes the subscription")
            gevent.sleep(_LOOK_AGAIN_SECONDS)
        home.barrier(max(0.01, give_up - time.monotonic()))

    def stop(self) -> None:
        if self._settling is not None:
            self._settling.kill()
        for connection in self._connections.values():
            connection.stop()

    def dispatch(self, message: Any, connection: FeedConnection) -> None:
        kind = message[0]
        if kind == b"message" or kind == b"smessage":
            subscriber = self._subscribers.get(message[1])
            if subscriber is not None:
                subscriber.announced(message[2])
        elif kind == b"subscribe" or kind == b"ssubscribe":
            subscriber = self._subscribers.get(message[1])
            if subscriber is not None and self._home.get(message[1]) is connection:
                subscriber.confirmed()
        elif kind == b"sunsubscribe" and self._home.get(message[1]) is connection:
            # Not asked for: the slot has moved to another primary.
            self._resettle_from(connection, [message[1]])

    def turn_over(self) -> None:
        self._turn_over()

    def lost(self, connection: FeedConnection) -> None:
        """A connection broke: in a Cluster its channels may live elsewhere by now."""
        if self._link.cluster:
            topics = [topic for topic, home in self._home.items() if home is connection]
            self._resettle_from(connection, topics)

    def left(self, connection: FeedConnection) -> bool:
        """Whether a connection that could not be had may be given up: in a Cluster its node may
        never come back, and its channels live elsewhere by now."""
        if self._link.cluster:
            self._connections = {n: c for n, c in self._connections.items() if c is not connection}
        return self._link.cluster

    def _resettle_from(self, connection: FeedConnection, topics: list[bytes]) -> None:
        for topic in topics:
            del self._home[topic]
            connection.forget(topic)
        self._layout_is_old = True
        self._set_adrift(topics)

    def _set_adrift(self, topics: list[bytes]) -> None:
        """Find a home for them, in one go with all that lose theirs at the same time: when slots
        move, thousands do."""
        self._adrift += topics
        if self._adrift and not self._settling:
            self._settling = gevent.spawn(self._settle_adrift)

    def _settle_adrift(self) -> None:
        pause = 0.05
        while self._adrift:
            topic = self._adrift.pop()
            try:
                if self._layout_is_old:
                    self._layout_is_old = False
                    self._link.refresh_topology()
                if topic in self._subscribers and topic not in self._home:
                    self._settle(topic)
            except RedisUnavailable:
                self._adrift.append(topic)
                self._layout_is_old = True
                gevent.sleep(pause)
                pause = min(pause * 2, 1.0)
        self._settling = None

    def _settle(self, topic: bytes) -> None:
        node, make = self._link.subscription(topic.decode())
        connection = self._connections.get(node)
        if connection is None:
            connection = self._connections[node] = FeedConnection(
                self, make, b"SSUBSCRIBE" if self._link.cluster else b"SUBSCRIBE"
            )
        self._home[topic] = connection
        connection.add(topic)
