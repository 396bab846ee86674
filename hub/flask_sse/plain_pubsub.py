"""`SSE_REDIS_PUBSUB=1`: the plain `PUBLISH` of flask-sse and of other programs, heard and made.

While a deployment moves from flask-sse to here, its two halves hear each other: what is published
here is stored *and* sent as flask-sse sends it; what others send reaches the listeners here, with
no id, because it is in no history. Both come to a listener here, so what this side has sent itself
must be told apart: it begins with a tab, which JSON lets stand there and flask-sse never writes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

from flask import json
from redis.exceptions import RedisError

from hub.flask_sse.message import Message

log = logging.getLogger("hub.flask_sse")

_OURS = b"\t"
_POLL_SECONDS = 1.0
_FIELDS = {"data", "type", "id", "retry"}


def publish(client: Any, channel: str, message: Message) -> None:
    """Tell the other half. The event is stored already: where Redis fails just now, that half has
    missed it, as flask-sse's listeners miss what is published while they are away."""
    try:
        client.publish(channel, _OURS.decode() + json.dumps(message.to_dict()))
    except RedisError as error:
        log.warning("a message was stored, and not sent as plain PUBLISH: %s", error)


class PlainMessages:
    """What others publish on `channel` from now on: subscribed, and confirmed, when it is made.
    Raises redis-py's errors."""

    def __init__(self, client: Any, channel: str) -> None:
        self._pubsub = client.pubsub()
        self._closed = False
        self._pubsub.subscribe(channel)
        self._pubsub.get_message(timeout=_POLL_SECONDS)

    def __iter__(self) -> Iterator[Message]:
        try:
            while not self._closed:
                heard = self._next()
                if heard and heard["type"] == "message" and not heard["data"].startswith(_OURS):
                    yield from _messages(heard["data"])
        finally:
            self._pubsub.close()

    def _next(self) -> dict[str, Any] | None:
        """redis-py subscribes again by itself; what was published meanwhile is in no history."""
        try:
            heard: dict[str, Any] | None = self._pubsub.get_message(timeout=_POLL_SECONDS)
            return heard
        except RedisError as error:
            log.warning("plain messages cannot be heard at the moment: %s", error)
            time.sleep(_POLL_SECONDS)
            return None

    def close(self) -> None:
        """The iteration ends within a second: a `PubSub` must not be closed under its reader."""
        self._closed = True


def _messages(payload: bytes) -> Iterator[Message]:
    """The message in a payload; a program that publishes something else on the channel is not
    flask-sse, and is passed over."""
    try:
        given = json.loads(payload)
    except ValueError:
        given = None
    if isinstance(given, dict) and "data" in given and set(given) <= _FIELDS:
        yield Message(**given)
    else:
        log.warning("a plain message on the channel is none of flask-sse's: passed over")
