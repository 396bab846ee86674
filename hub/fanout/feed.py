"""The process's one subscription: announcements in, and the certainty that none is missing.

Where a connection was lost (`feed_connection` finds out), every room on it hears of that by being
`confirmed` again.

`barrier` answers the question "have I heard everything that was published until now?": Redis
answers a PING on the subscription behind all announcements that came before it. Requests that come
while a PING is under way share the next one, so a storm of arrivals costs a few PINGs.

In a Cluster there is one connection for each primary that holds a channel of ours (`SSUBSCRIBE`).
"""

from __future__ import annotations

import time
from typing import Any, Protocol

import gevent

from hub.backoff import Backoff
from hub.errors import RedisFailure, RedisUnavailable
from hub.fanout.feed_connection import FeedConnection
from hub.fanout.loops import Loop, Loops
from hub.fanout.turns import Turns
from hub.process import end_in_children
from hub.store.redis_link import RedisLink

_LOOK_AGAIN_SECONDS = 0.02


class Subscriber(Protocol):
    """What hears one pub/sub channel."""

    def announced(self, payload: bytes) -> None: ...

    def confirmed(self) -> None:
        """Redis has confirmed the subscription: the first time, or again after it was lost."""
        ...


class Feed:
    """All subscriptions of this process."""

    def __init__(self, link: RedisLink, turns: Turns, loops: Loops | None = None) -> None:
        self.link = link
        self._loops = loops or Loops()
        self._turns = turns
        self._subscribers: dict[bytes, Subscriber] = {}
        self._connections: dict[str, FeedConnection] = {}
        self._node_of: dict[bytes, FeedConnection] = {}
        self._unassigned: list[bytes] = []
        self._layout_is_old = False
        self._settling: Loop | None = None
        self.reconnects = 0
        end_in_children(self)

    def subscribe(self, pubsub_channel: str, subscriber: Subscriber) -> None:
        """Start hearing; `subscriber.confirmed` tells when nothing can be missed any more."""
        name = pubsub_channel.encode()
        self._subscribers[name] = subscriber
        if self.link.cluster:  # whose layout may have to be asked for, which takes its time
            self._set_unassigned([name])
        else:
            self._assign(name)

    def unsubscribe(self, pubsub_channel: str) -> None:
        name = pubsub_channel.encode()
        del self._subscribers[name]
        node = self._node_of.pop(name, None)
        if node is not None:
            node.drop(name)

    def barrier(self, pubsub_channel: str, timeout_seconds: float) -> None:
        """Return when everything announced on `pubsub_channel` before now has been dispatched.
        Raises `RedisUnavailable` when that does not happen in time."""
        give_up = time.monotonic() + timeout_seconds
        while (node := self._node_of.get(pubsub_channel.encode())) is None:
            if time.monotonic() > give_up:
                raise RedisUnavailable("no node of the Cluster takes the subscription")
            gevent.sleep(_LOOK_AGAIN_SECONDS)
        node.barrier(max(0.01, give_up - time.monotonic()))

    def stop(self) -> None:
        if self._settling is not None:
            self._settling.stop()
        for connection in self._connections.values():
            connection.stop()

    def abandon(self) -> None:
        """This is a child's copy (`process.end_in_children`)."""
        for connection in self._connections.values():
            connection.abandon()
        self._loops.stop(block=False)

    def dispatch(self, message: Any, connection: FeedConnection) -> None:
        kind = message[0]
        if kind == b"message" or kind == b"smessage":
            subscriber = self._subscribers.get(message[1])
            if subscriber is not None:
                subscriber.announced(message[2])
        elif kind == b"subscribe" or kind == b"ssubscribe":
            subscriber = self._subscribers.get(message[1])
            if subscriber is not None and self._node_of.get(message[1]) is connection:
                subscriber.confirmed()
        elif kind == b"sunsubscribe" and self._node_of.get(message[1]) is connection:
            # Not asked for: the slot has moved to another primary.
            self._reassign_from(connection, [message[1]])

    def all_dispatched(self, loop: Loop) -> None:
        self._turns.deliver(loop)

    def lost(self, connection: FeedConnection) -> None:
        """A connection broke: in a Cluster its channels may live elsewhere by now."""
        if self.link.cluster:
            pubsub_channels = [
                pubsub_channel
                for pubsub_channel, node in self._node_of.items()
                if node is connection
            ]
            self._reassign_from(connection, pubsub_channels)

    def left(self, connection: FeedConnection) -> bool:
        """Whether a connection that could not be made may be given up: in a Cluster its node may
        never come back, and its channels live elsewhere by now."""
        if self.link.cluster:
            self._connections = {n: c for n, c in self._connections.items() if c is not connection}
        return self.link.cluster

    def _reassign_from(self, connection: FeedConnection, pubsub_channels: list[bytes]) -> None:
        for pubsub_channel in pubsub_channels:
            del self._node_of[pubsub_channel]
            connection.forget(pubsub_channel)
        self._layout_is_old = True
        self._set_unassigned(pubsub_channels)

    def _set_unassigned(self, pubsub_channels: list[bytes]) -> None:
        """Find a node for them, in one go with all that lose theirs at the same time: when slots
        move, thousands do."""
        self._unassigned += pubsub_channels
        if self._unassigned and not self._settling:
            self._settling = self._loops.start("feed layout", self._settle_adrift)

    def _settle_adrift(self, loop: Loop) -> None:
        backoff = Backoff(0.05, 1.0)
        while self._unassigned:
            loop.progress()
            pubsub_channel = self._unassigned[-1]
            try:
                if self._layout_is_old:
                    self._layout_is_old = False
                    self.link.refresh_topology()
                if pubsub_channel in self._subscribers and pubsub_channel not in self._node_of:
                    self._assign(pubsub_channel)
                self._unassigned.remove(pubsub_channel)
            except RedisFailure:
                self._layout_is_old = True
                loop.sleep(backoff.take())
        self._settling = None

    def _assign(self, pubsub_channel: bytes) -> None:
        node, make = self.link.subscription(pubsub_channel.decode())
        connection = self._connections.get(node)
        if connection is None:
            connection = self._connections[node] = FeedConnection(
                self, make, b"SSUBSCRIBE" if self.link.cluster else b"SUBSCRIBE", self._loops
            )
        self._node_of[pubsub_channel] = connection
        connection.add(pubsub_channel)
