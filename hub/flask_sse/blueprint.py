"""The blueprint: publish, `messages()`, and the view that streams them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from flask import Blueprint, Response, current_app, has_request_context, request

from hub import sse as event_stream
from hub.channel import check_channel
from hub.client.hub import RESERVED, Hub
from hub.errors import FieldError
from hub.fanout.delivery import Delivery
from hub.fanout.subscribe import SubscribeOptions, last_id_in
from hub.flask_sse import plain_pubsub
from hub.flask_sse.message import Message
from hub.flask_sse.pump import Pump
from hub.flask_sse.sources import Sources
from hub.settings import Settings
from hub.store.keys import digest
from hub.web.delivery_thread import delivery_for_server
from hub.web.stream_response import HEADERS, subscribe

_EXTENSION = "hub.flask_sse"
_OPEN = "hub.flask_sse.open"
"""In a request's environment: what its `messages()` have opened, to be closed with its stream."""


class ServerSentEventsBlueprint(Blueprint):
    """A blueprint that publishes, subscribes and streams. Access is controlled as with any other
    blueprint, by `before_request`."""

    def register(self, app: Any, options: dict[str, Any]) -> None:
        """What our gunicorn worker starts with its process is there too
        (`hub.web.gunicorn_worker`)."""
        super().register(app, options)
        app.extensions.setdefault("hubbub", partial(_delivery_of, app))

    @property
    def redis(self) -> Any:
        """The Redis client of the current application."""
        return _hub().history.link.client

    def publish(
        self,
        data: Any,
        type: str | None = None,
        id: object = None,
        retry: int | str | None = None,
        channel: str = "sse",
    ) -> str:
        """Publish `data` to those who listen to `channel`; returns the event's id in history.

        `type`, `id` and `retry` (milliseconds until a client that was cut off returns) are those of
        the event. Raises `KeyError` where no Redis is configured, `hub.errors.HubError` where the
        event could not be stored.
        """
        message = Message(data, type, id, retry)
        hub = _hub()
        stored = hub.history.append(_channel(channel), [message.event]).ids[0]
        if _plain():
            plain_pubsub.publish(hub.history.link.client, channel, message)
        return stored

    def messages(self, channel: str = "sse") -> Iterator[Message]:
        """The events of `channel`: from now on, or, in the request of a listener that returns, from
        behind what it has seen. JSON objects and arrays come as such. Subscribed when this returns,
        not when the first message is asked for."""
        if not has_request_context():
            return _sources(channel, None).messages()
        opened: list[Sources] = request.environ.setdefault(_OPEN, [])
        found = next((one for one in opened if one.name == channel and not one.taken), None)
        if found is None:
            found = _sources(channel, _options(_hub()).last_id)
            opened.append(found)
        return found.messages()

    def stream(self) -> Response:
        """The view: streams the channel that the query parameter `channel` names, or `sse`."""
        name = request.args.get("channel") or "sse"
        hub = _hub()
        overridden = type(self).messages is not ServerSentEventsBlueprint.messages
        if overridden or _plain():
            return self._streamed(name, hub.settings)
        return subscribe(_delivery(hub), [_channel(name)], options=_options(hub))

    def _streamed(self, name: str, settings: Settings) -> Response:
        """What `messages()` yields, with comments between. The channel is subscribed before the
        response begins: a `messages()` of the application's own starts whenever it likes."""
        opened = [_sources(name, _options(_hub()).last_id)]
        request.environ[_OPEN] = opened
        pump = Pump(iter(self.messages(channel=name)))

        def body() -> Iterator[bytes]:
            try:
                yield event_stream.comment() + event_stream.retry(settings.retry_ms)
                while not pump.over:
                    message = pump.next(settings.heartbeat_seconds)
                    if message is None:
                        yield event_stream.comment()
                    elif isinstance(message, Message):
                        yield message.frame()
                    else:
                        yield str(message).encode()
            finally:
                for sources in opened:
                    sources.close()
                pump.close()

        return current_app.response_class(body(), headers=HEADERS)


def _sources(name: str, after: str | None) -> Sources:
    return Sources(_hub(), name, _channel(name), after, plain=_plain())


def _plain() -> bool:
    """Whether the application wants plain `PUBLISH` too."""
    return str(current_app.config.get("SSE_REDIS_PUBSUB", "")).lower() in ("1", "true", "yes", "on")


def _hub() -> Hub:
    """The hub of the current application, made when it is first wanted."""
    url = current_app.config.get("SSE_REDIS_URL") or current_app.config.get("REDIS_URL")
    if not url:
        raise KeyError("Must set a redis connection URL in app config.")
    hubs: dict[str, Hub] = current_app.extensions.setdefault(_EXTENSION, {})
    if url not in hubs:
        hubs[url] = Hub.from_url(url)
    return hubs[url]


def _delivery(hub: Hub) -> Delivery:
    deliveries: dict[Hub, Delivery]
    deliveries = current_app.extensions.setdefault(f"{_EXTENSION}.delivery", {})
    if hub not in deliveries:
        deliveries[hub] = delivery_for_server(lambda: Delivery(hub.history, hub.settings))
    return deliveries[hub]


def _delivery_of(app: Any) -> Delivery:
    with app.app_context():
        return _delivery(_hub())


def _options(hub: Hub) -> SubscribeOptions:
    """A quiet stream behind the last id that the client saw. What else the query says is the
    program's own."""
    args = request.args
    return SubscribeOptions(
        last_id=request.headers.get("Last-Event-ID") or last_id_in(args),
        start=None,
        heartbeat_seconds=hub.settings.heartbeat_seconds,
        heartbeat_comments=True,
        quiet=True,
        overload_503=False,
    )


def _channel(name: str) -> str:
    """The hub's name for a channel of flask-sse's, which takes every string."""
    try:
        known = check_channel(name)
    except FieldError:
        known = ""
    if known and not known.startswith(RESERVED):
        return known
    return f"sse~{digest(name)}"


sse = ServerSentEventsBlueprint("sse", __name__)
"""The blueprint to register. Subclass `ServerSentEventsBlueprint` only to change what it does."""

sse.add_url_rule(rule="", endpoint="stream", view_func=sse.stream)
