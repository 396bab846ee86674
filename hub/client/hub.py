"""Hubbub from code: publish to channels and listen to them, with nothing but their Redis (§6).

    from hub import Hub

    hub = Hub.from_url("redis://127.0.0.1:6379/0")
    hub.publish("news", {"title": "It works"}, event="notice")
    for event in hub.subscribe("news"):
        print(event.id, event.event, event.data)

What is published here is stored and announced by the same script as over HTTP, so the listeners of
every web process hear it. Neither Flask nor gevent is needed. Authorisation is that of the program
with the Redis; programs that do not, publish over HTTP.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable

from hub.channel import check_channel
from hub.client.subscription import Subscription
from hub.errors import FieldError, Forbidden
from hub.event import Event, check_retry, check_text, check_type, json_text
from hub.settings import Settings
from hub.store.batch import run_many
from hub.store.history import APPEND, History
from hub.store.producer import Producer
from hub.store.redis_link import RedisLink

RESERVED = ("generation:",)
"""Channels that only their owner writes to: the workers (contract §3)."""

_APPEND_EVENTS = 1000

Message = tuple[str, object, str | None]
"""`(channel, data, event)`, for `publish_many`."""


class Hub:
    """All channels on one Redis. May be shared by threads; connects when it is first used."""

    def __init__(self, history: History, settings: Settings) -> None:
        self.history = history
        self.settings = settings

    @classmethod
    def from_url(cls, url: str, settings: Settings | None = None) -> Hub:
        """`url` is any that `REDIS_URL` takes (contract §8). How much history is kept, and
        `HUB_KEY_PREFIX`, are taken from the environment, as the web processes do, unless `settings`
        says them."""
        settings = settings or Settings.from_environ(os.environ)
        link = RedisLink.from_settings(settings, url)
        return cls(History(link, settings), settings)

    def publish(
        self,
        channel: str,
        data: object,
        event: str | None = None,
        *,
        retry_ms: int | None = None,
    ) -> str:
        """Store and announce one event; returns its id once it is in the history.

        A string travels as it is, anything else as compact JSON. `event` is the type (None:
        `message`). Raises `FieldError`, `TooLarge`, `Forbidden` (a reserved channel), or
        `RedisUnavailable`: then it may or may not have been stored.
        """
        made = _event(data, event, retry_ms)
        return self.history.append(_writable(channel), [made]).ids[0]

    def publish_many(self, messages: Iterable[Message]) -> list[str]:
        """Publish `(channel, data, event)` triples in one round trip per Redis node; returns their
        ids. On each channel the order is that of the triples.

        Everything is checked first: if one of them raises (as `publish` does) nothing was stored.
        """
        numbers: dict[str, list[int]] = {}
        events: list[Event] = []
        for number, (channel, data, event) in enumerate(messages):
            numbers.setdefault(_writable(channel), []).append(number)
            events.append(_event(data, event))
        appends = [
            (channel, of_channel[at : at + _APPEND_EVENTS])
            for channel, of_channel in numbers.items()
            for at in range(0, len(of_channel), _APPEND_EVENTS)
        ]
        name, now = secrets.token_hex(8), time.time()
        calls = [
            self.history.append_call(
                channel,
                [events[number] for number in part],
                producer=Producer(f"{name}.{batch}", 1, now),
            )
            for batch, (channel, part) in enumerate(appends)
        ]
        ids: list[str] = [""] * len(events)
        replies = run_many(self.history.link, APPEND, calls, durable=True)
        for (channel, part), reply in zip(appends, replies, strict=True):
            stored = self.history.appended(channel, reply).ids
            for number, event_id in zip(part, stored, strict=True):
                ids[number] = event_id
        return ids

    def subscribe(self, channel: str, after: str | None = None) -> Subscription:
        """Iterate over a channel's events after the id `after`: without one from this moment on,
        with "0-0" from the first that is retained. Blocks, and goes on over every failure of
        Redis; see `Subscription` for how it ends and what it says when history was lost."""
        return Subscription(self.history, check_channel(channel), after)

    def close(self) -> None:
        self.history.link.close()

    def __enter__(self) -> Hub:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _writable(channel: str) -> str:
    if check_channel(channel).startswith(RESERVED):
        raise Forbidden(f"{channel}: only the workers publish there", code="reserved-channel")
    return channel


def _event(data: object, event: str | None, retry_ms: int | None = None) -> Event:
    text = check_text(data, "data") if isinstance(data, str) else _json(data)
    return Event(text, check_type(event), check_retry(retry_ms))


def _json(data: object) -> str:
    try:
        return json_text(data, "data")
    except TypeError:
        raise FieldError("data", "is neither a string nor JSON") from None
