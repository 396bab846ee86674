"""Streams as answers to requests: through Flask, and past it.

`subscribe` is for views. `Arrivals` stands in front of the application and lets the common case in
without it: a subscription of this origin whose socket can be taken over. Reconnect storms are the
worst hour of such a system, and Flask would take a third of an arrival (75 of 258 µs). Whatever is
not that simple, or goes wrong, takes the ordinary way and gets the ordinary answer.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl

from flask import Response, request
from gunicorn.workers.base_async import ALREADY_HANDLED

from hub import own_events
from hub.channel import check_channel
from hub.errors import Overloaded, RequestError
from hub.fanout.channel_kind import View
from hub.fanout.delivery import Delivery
from hub.fanout.subscribe import (
    MAX_CHANNELS,
    PreparedStream,
    SubscribeOptions,
    SubscribeRejected,
    prepare,
)
from hub.sse import CONTENT_TYPE
from hub.web.transport import ResponseTransport, SocketTransport, can_take_over

HEADERS = {
    "Content-Type": CONTENT_TYPE,
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}
_REFUSED = "hubbub.refused"
_ONE_CHANNEL = re.compile(r"/channels/([^/]+)/events")


class StreamResponse(Response):
    """A response whose body is a listener's: it keeps the socket where that can be had."""

    def __init__(self, prepared: PreparedStream, delivery: Delivery) -> None:
        super().__init__(status=200, headers=HEADERS)
        self._prepared = prepared
        self._delivery = delivery

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if can_take_over(environ) and not self._prepared.end_counts:
            headers = [(name, value) for name, value in self.headers if name != "Content-Length"]
            return take_over(environ, self._delivery, self._prepared, headers)
        listener = self._prepared.listener
        whole = (lambda: listener.whole) if self._prepared.end_counts else None
        body = ResponseTransport(whole)
        if can_take_over(environ):
            body.watch(environ["gunicorn.socket"])
        self._delivery.opened(listener)
        listener.start(body, self._prepared.head)
        self.response = body.body()
        return super().__call__(environ, start_response)


def subscribe(
    delivery: Delivery,
    channels: Sequence[str],
    *,
    dialect: str | None = None,
    view: View | None = None,
    start: str | None = None,
    options: SubscribeOptions | None = None,
    when_left: Callable[[], None] | None = None,
) -> Response:
    """Answer the current request with a stream of `channels` (see `stream.prepare`). `when_left` is
    called, and must not wait, when the client leaves before the stream has ended.

    Where there is none at the moment the answer is one that makes EventSource come back, or 503
    for a client that asked for it.
    """
    options = options or SubscribeOptions.of(
        request.args,
        request.headers.get("Last-Event-ID"),
        delivery.settings.heartbeat_seconds,
    )
    address = request.remote_addr or "-"
    try:
        if _REFUSED in request.environ:
            raise request.environ[_REFUSED]
        prepared = prepare(
            delivery, channels, options, address, dialect=dialect, view=view, start=start
        )
    except SubscribeRejected as refusal:
        if options.overload_503:
            raise Overloaded(refusal.detail) from refusal
        told = own_events.closing(refusal.reason, True, delivery.retry_ms())
        return Response(told, headers=HEADERS)
    if prepared is None:
        return Response(status=204)
    prepared.listener.when_left = when_left
    if request.method == "HEAD":
        headers_alone = Response(headers=HEADERS)
        headers_alone.automatically_set_content_length = False
        return headers_alone
    return StreamResponse(prepared, delivery)


class Arrivals:
    """The application, with a short way in for subscriptions."""

    def __init__(self, application: Callable[..., Any], delivery: Delivery) -> None:
        self._application = application
        self._delivery = delivery
        self._headers = list(HEADERS.items())

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        prepared = self._prepared(environ)
        if prepared is None:
            return self._application(environ, start_response)
        return take_over(environ, self._delivery, prepared, self._headers)

    def _prepared(self, environ: dict[str, Any]) -> PreparedStream | None:
        if (
            environ["REQUEST_METHOD"] != "GET"
            or "HTTP_ORIGIN" in environ
            or not can_take_over(environ)
        ):
            return None
        path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
        one = _ONE_CHANNEL.fullmatch(path)
        if not one and path != "/events":
            return None
        try:
            pairs = parse_qsl(query, keep_blank_values=True) if query else []
            names = [one[1]] if one else [value for name, value in pairs if name == "channel"]
            if not 1 <= len(set(names)) <= MAX_CHANNELS:
                return None
            options = SubscribeOptions.of(
                # The first of several values counts, as it does for Flask.
                dict(reversed(pairs)),
                environ.get("HTTP_LAST_EVENT_ID"),
                self._delivery.settings.heartbeat_seconds,
            )
            return prepare(
                self._delivery,
                [check_channel(name) for name in names],
                options,
                environ.get("REMOTE_ADDR") or "-",
            )
        except SubscribeRejected as refusal:
            environ[_REFUSED] = refusal  # which may have taken seconds to find out
        except RequestError:
            pass
        return None


def take_over(
    environ: dict[str, Any],
    delivery: Delivery,
    prepared: PreparedStream,
    headers: Sequence[tuple[str, str]],
) -> Any:
    """Write the status and the headers, and let the listener keep the socket. The stream ends with
    its connection: it has no length and no chunks (RFC 9112 §6.3)."""
    lines = [f"HTTP/1.1 200 OK\r\nDate: {_date()}\r\nConnection: close\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers]
    head = "".join(lines).encode("latin-1") + b"\r\n" + prepared.head
    delivery.opened(prepared.listener)
    prepared.listener.start(SocketTransport(environ["gunicorn.socket"]), head)
    return ALREADY_HANDLED


_shown_date = (0, "")


def _date() -> str:
    global _shown_date
    now = int(time.time())
    if _shown_date[0] != now:
        _shown_date = (now, formatdate(now, usegmt=True))
    return _shown_date[1]
