"""What `messages()` come from: the history, and plain `PUBLISH` where that is wanted."""

from __future__ import annotations

from collections.abc import Iterator

from redis.exceptions import RedisError

from hub.client.hub import Hub
from hub.errors import RedisUnavailable
from hub.flask_sse.message import Message, StoredMessage
from hub.flask_sse.plain_pubsub import PlainMessages
from hub.flask_sse.pump import Pump


class Sources:
    """Opened, with every event from then on to come, when it is made. `name` is flask-sse's name of
    the channel, `channel` the hub's. Raises `RedisUnavailable`."""

    def __init__(
        self, hub: Hub, name: str, channel: str, after: str | None, *, plain: bool
    ) -> None:
        self.name = name
        self.taken = False
        self._subscription = hub.subscribe(channel, after)
        try:
            self._plain = PlainMessages(hub.history.link.client, name) if plain else None
        except RedisError as error:
            self._subscription.close()
            raise RedisUnavailable("Redis does not take subscriptions") from error

    def messages(self) -> Iterator[Message]:
        """To be taken once."""
        self.taken = True
        return self._stored() if self._plain is None else self._merged(self._plain)

    def close(self) -> None:
        """Whatever waits for a message comes to its end. Any thread may do it."""
        self._subscription.close()
        if self._plain is not None:
            self._plain.close()

    def _stored(self) -> Iterator[Message]:
        with self._subscription as events:
            for event in events:
                if not event.lost:
                    yield StoredMessage(event)

    def _merged(self, plain: PlainMessages) -> Iterator[Message]:
        pump = Pump(self._stored(), iter(plain))
        try:
            while (message := pump.next()) is not None:
                yield message
        finally:
            self.close()
            pump.close()
