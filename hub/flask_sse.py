"""A drop-in for flask-sse 1.0: change the import, and the same listeners get replay.

    from hub.flask_sse import sse

    app.config["REDIS_URL"] = "redis://localhost"
    app.register_blueprint(sse, url_prefix="/stream")
    sse.publish({"message": "Hello!"}, type="greeting")

What flask-sse's documentation says holds here. Beyond it, events are stored, so whoever was cut off
returns with `Last-Event-ID` and misses nothing; comments keep idle connections alive; and under
gevent all listeners of a process share one Redis connection. The stream is `quiet`: such a program
shows every event that it gets. An `id=` of the publisher's own goes on the wire and resolves in
history.

Three things are wider than on the hub's own routes, because flask-sse lets programs have them: any
name of a channel (one outside our alphabet is stored under another name), any type and any id
without a line end.

Outside of gevent (a threaded server, Flask's development server, the test client) every listener
has a Redis connection of its own, as it had with flask-sse.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from flask import Blueprint, Response, current_app, json, request

from hub import sse as wire
from hub.channel import check_channel
from hub.client.hub import RESERVED, Hub
from hub.errors import FieldError
from hub.event import Event, check_retry, check_text
from hub.fanout.delivery import Delivery
from hub.fanout.subscribe import SubscribeOptions
from hub.store.frame import StoredEvent
from hub.web.stream_response import HEADERS, subscribe

_EXTENSION = "hub.flask_sse"
_BREAKS_OUT = re.compile(r"[\r\n\0]")


class Message:
    """Data that is published as a server-sent event."""

    def __init__(
        self,
        data: Any,
        type: str | None = None,
        id: object = None,
        retry: int | None = None,
    ) -> None:
        """`data` that is not a string is serialised by the application's JSON provider."""
        self.data = data
        self.type = type
        self.id = id
        self.retry = retry

    def to_dict(self) -> dict[str, Any]:
        """A minimal dictionary: `data` is required, all others are optional."""
        others = {"type": self.type, "id": self.id, "retry": self.retry}
        return {"data": self.data, **{name: value for name, value in others.items() if value}}

    @property
    def event(self) -> Event:
        """Raises `FieldError` for a type, an id or a retry that no stream can carry."""
        text = self.data if isinstance(self.data, str) else json.dumps(self.data)
        return Event(
            check_text(text, "data"),
            _one_line(self.type, "type"),
            check_retry(self.retry, "retry") if self.retry else None,
            _one_line(self.id, "id"),
        )

    def __str__(self) -> str:
        """The event as `text/event-stream` has it."""
        event = self.event
        return wire.encode(event, event.wire_id).decode()

    def __repr__(self) -> str:
        others = list(self.to_dict().items())[1:]
        return f"Message({self.data!r}{''.join(f', {name}={value!r}' for name, value in others)})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


class ServerSentEventsBlueprint(Blueprint):
    """A blueprint that publishes, subscribes and streams. Access is controlled as with any other
    blueprint, by `before_request`."""

    @property
    def redis(self) -> Any:
        """The Redis client of the current application."""
        return _hub().history.link.client

    def publish(
        self,
        data: Any,
        type: str | None = None,
        id: object = None,
        retry: int | None = None,
        channel: str = "sse",
    ) -> str:
        """Publish `data` to those who listen to `channel`; returns the event's id in history.

        `type`, `id` and `retry` (milliseconds until a client that was cut off returns) are those of
        the event. Raises `KeyError` where no Redis is configured, `hub.errors.HubError` where the
        event could not be stored.
        """
        event = Message(data, type, id, retry).event
        return _hub().history.append(_channel(channel), [event]).ids[0]

    def messages(self, channel: str = "sse") -> Iterator[Message]:
        """The events of `channel` from now on. JSON objects and arrays come as such."""
        with _hub().subscribe(_channel(channel)) as events:
            for event in events:
                if not event.lost:
                    yield _message(event)

    def stream(self) -> Response:
        """The view: streams the channel that the query parameter `channel` names, or `sse`."""
        name = _channel(request.args.get("channel") or "sse")
        hub = _hub()
        if _under_gevent():
            return subscribe(_delivery(hub), [name], options=_options(hub))
        return _threaded(hub, name)


def _hub() -> Hub:
    """The hub of the current application, made when it is first wanted."""
    url = current_app.config.get("SSE_REDIS_URL") or current_app.config.get("REDIS_URL")
    if not url:
        raise KeyError("Must set a redis connection URL in app config.")
    hubs: dict[str, Hub] = current_app.extensions.setdefault(_EXTENSION, {})
    if url not in hubs:
        hubs[url] = Hub.from_url(url)
    return hubs[url]


def _under_gevent() -> bool:
    """Whether gevent has patched this process, so that one subscription can serve all greenlets."""
    return socket.socket.__module__.startswith("gevent")


def _delivery(hub: Hub) -> Delivery:
    deliveries: dict[Hub, Delivery]
    deliveries = current_app.extensions.setdefault(f"{_EXTENSION}.delivery", {})
    if hub not in deliveries:
        deliveries[hub] = Delivery(hub.history, hub.settings)
    return deliveries[hub]


def _options(hub: Hub) -> SubscribeOptions:
    """A quiet stream behind the last id that the client saw. What else the query says is the
    program's own."""
    args = request.args
    last_id = (
        request.headers.get("Last-Event-ID") or args.get("last_event_id") or args.get("lastEventId")
    )
    return SubscribeOptions(
        last_id=last_id or None,
        start=None,
        heartbeat_seconds=hub.settings.heartbeat_seconds,
        heartbeat_comments=True,
        quiet=True,
        overload_503=False,
    )


def _threaded(hub: Hub, channel: str) -> Response:
    """A stream with a subscription of its own, written by the thread that serves the request."""
    events = hub.subscribe(channel, _options(hub).last_id)

    def body() -> Iterator[bytes]:
        with events:
            yield wire.comment() + wire.retry(hub.settings.retry_ms)
            while not events.over:
                event = events.next(hub.settings.heartbeat_seconds)
                if event is None:
                    yield wire.comment()
                elif not event.lost:
                    yield event.frame

    return current_app.response_class(body(), headers=HEADERS)


def _message(event: StoredEvent) -> Message:
    """The message that became this event, as far as the wire tells."""
    parsed = wire.decode(event.frame)
    data: Any = event.data
    if data[:1] in ("{", "["):
        try:
            data = json.loads(data)
        except ValueError:
            pass  # text that begins like JSON
    type_of = None if event.event == "message" else event.event
    own_id = parsed.id if parsed.id != event.id else None
    return Message(data, type_of, own_id, parsed.retry_ms)


def _channel(name: str) -> str:
    """The hub's name for a channel of flask-sse's, which takes every string."""
    try:
        known = check_channel(name)
    except FieldError:
        known = ""
    if known and not known.startswith(RESERVED):
        return known
    return f"sse~{sha256(name.encode()).hexdigest()[:40]}"


def _one_line(value: object, field: str) -> str | None:
    if not value:
        return None
    text = check_text(str(value), field)
    if _BREAKS_OUT.search(text):
        raise FieldError(field, "holds a line end or NUL")
    return text


sse = ServerSentEventsBlueprint("sse", __name__)
"""The blueprint to register. Subclass `ServerSentEventsBlueprint` only to change what it does."""

sse.add_url_rule(rule="", endpoint="stream", view_func=sse.stream)
