"""Streams as answers to requests: one function from a request's head to a stream.

`open_stream` is asked by every way in: the entrance in front of Flask, the views through
`subscribe`, the dialects' routes and programs' own. Options, limits and refusals are its business
alone. `take_over` and `StreamResponse` are the two ways in which its answer leaves.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from flask import Response, request
from gunicorn.workers.base_async import ALREADY_HANDLED

from hub import own_events, sse
from hub.channel import check_channel
from hub.errors import FieldError, Overloaded, ProviderUnavailable, RedisUnavailable
from hub.fanout.channel_kind import View
from hub.fanout.delivery import Delivery
from hub.fanout.subscribe import (
    MAX_CHANNELS,
    PreparedStream,
    SubscribeOptions,
    SubscribeRejected,
    prepare,
)
from hub.identity import Action
from hub.sse import CONTENT_TYPE
from hub.timestamp import http_date
from hub.web.caller import Caller, caller_of
from hub.web.delivery_thread import DeliveryThread
from hub.web.headers import EVERY_ANSWER, with_programs_own
from hub.web.request_head import RequestHead, head_of, query_pairs
from hub.web.transport import (
    ResponseTransport,
    SocketTransport,
    can_take_over,
    cut_short,
    socket_of,
)

log = logging.getLogger("hub.stream")

HEADERS = {
    "Content-Type": CONTENT_TYPE,
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
    **EVERY_ANSWER,
}


@dataclass(frozen=True, slots=True)
class StreamAnswer:
    """What a subscription is answered: a stream that is to be started, or a body. `cut`: its
    client takes an end for the whole answer, so the body must not end as a whole one does."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    stream: PreparedStream | None = None
    cut: bool = False

    @property
    def status_line(self) -> str:
        return f"{self.status} {HTTPStatus(self.status).phrase}"


_STREAM_HEADERS = tuple(HEADERS.items())
_ENDED = StreamAnswer(204, tuple(EVERY_ANSWER.items()))


def listed_channels(head: RequestHead) -> Sequence[str]:
    """The channels that the query lists."""
    names = [value for name, value in head.query_pairs() if name == "channel"]
    if not 1 <= len(set(names)) <= MAX_CHANNELS:
        raise FieldError("channel", f"must be given 1 to {MAX_CHANNELS} times")
    return [check_channel(name) for name in names]


def open_stream(
    delivery: Delivery,
    head: RequestHead,
    caller: Caller,
    channels: Sequence[str],
    *,
    dialect: str | None = None,
    view: View | None = None,
    start: str | None = None,
    options: SubscribeOptions | None = None,
    listed: bool = False,
    allowed: bool = False,
    heard: bool = False,
) -> StreamAnswer:
    """Answer a request with a stream of `channels` (see `subscribe.prepare`), each of which the
    caller must be allowed to hear, `allowed` where that was asked already; 204 where all of it has
    ended and was seen. `options` stand in place of what the request asks for; `listed`: the
    channels are those of its list; `heard` is `SubscribeOptions.heard`. The stream ends with the
    caller's token.

    Where there is no stream at the moment the answer is one that makes EventSource come back, or
    `Overloaded` for a client that asked for it. Raises `RequestError` for options that are none.
    """
    if options is None:
        last_id = head.headers.get("last-event-id")
        listed_names = tuple(channels) if listed else ()
        heartbeat_seconds = delivery.settings.heartbeat_seconds
        options = _options(head.query, last_id, heartbeat_seconds, listed_names, heard)
    try:
        for channel in () if allowed else channels:
            _require(caller, channel)
        prepared = prepare(
            delivery, channels, options, head.address, dialect=dialect, view=view, start=start
        )
    except SubscribeRejected as refusal:
        log.info(
            "stream refused channels=%s address=%s reason=%s: %s",
            ",".join(channels),
            head.address,
            refusal.reason,
            refusal.detail,
        )
        if options.overload_503:
            raise Overloaded(refusal.detail) from refusal
        retry_ms = delivery.retry_ms()
        in_dialect = dialect is not None or view is not None
        if options.quiet or in_dialect:  # none of the hub's own events, as where a stream closes
            return StreamAnswer(200, _STREAM_HEADERS, sse.retry(retry_ms), cut=in_dialect)
        told = own_events.closing(refusal.reason, True, retry_ms)
        return StreamAnswer(200, _STREAM_HEADERS, told)
    if prepared is None:
        return _ENDED
    headers = (*_STREAM_HEADERS, *prepared.headers)
    if head.method == "HEAD":
        return StreamAnswer(200, headers)
    prepared.listener.token = caller.identity.jti
    prepared.listener.expires = caller.identity.ends(time.time())
    return StreamAnswer(200, headers, stream=prepared)


# A crowd asks for the same.
@lru_cache(256)
def _options(
    query: str,
    last_id: str | None,
    heartbeat_seconds: int,
    listed: tuple[str, ...],
    heard: bool,
) -> SubscribeOptions:
    """What the client asks for. Raises `FieldError`."""
    pairs = query_pairs(query)
    return SubscribeOptions.of(
        dict(reversed(pairs)),  # the first of several values counts
        last_id,
        heartbeat_seconds,
        listed=bool(listed),
        after=_after(pairs, listed) if listed else None,
        heard=heard,
    )


def _after(pairs: Sequence[tuple[str, str]], channels: Sequence[str]) -> Mapping[str, str]:
    """Positions in single channels, in the order of the list; empty: not begun there."""
    positions = [value for name, value in pairs if name == "after"]
    if positions and len(positions) != len(channels):
        raise FieldError("after", "must be given once for each channel, or not at all")
    return dict(zip(channels, positions, strict=False))


def _require(caller: Caller, channel: str) -> None:
    try:
        caller.require(Action.SUBSCRIBE, channel)
    except (RedisUnavailable, ProviderUnavailable) as error:
        # Nothing is decided yet: an EventSource must come back.
        raise SubscribeRejected("overloaded", error.detail) from error


def subscribe(
    delivery: Delivery,
    channels: Sequence[str],
    *,
    dialect: str | None = None,
    view: View | None = None,
    start: str | None = None,
    options: SubscribeOptions | None = None,
    listed: bool = False,
    allowed: bool = False,
    when_left: Callable[[], None] | None = None,
) -> Response:
    """`open_stream` for the current request of Flask's. `when_left` is called, and must not wait,
    when the client leaves before the stream has ended."""
    head = head_of(request.environ)
    caller = caller_of(request.environ)

    def opened() -> StreamAnswer:
        answer = open_stream(
            delivery,
            head,
            caller,
            channels,
            dialect=dialect,
            view=view,
            start=start,
            options=options,
            listed=listed,
            allowed=allowed,
        )
        if answer.stream is not None:
            answer.stream.listener.when_left = when_left
        return answer

    thread = DeliveryThread.of(delivery)
    answer = opened() if thread is None else thread.call(opened)
    if answer.stream is not None and thread is not None:
        body = thread.body(answer.stream, socket_of(request.environ))
        return Response(body, headers=answer.headers)
    if answer.stream is not None:
        return StreamResponse(answer.stream, delivery, answer.headers)
    said = _broken_off(answer.body) if answer.cut else answer.body
    response = Response(said or None, answer.status, headers=answer.headers)
    if head.method == "HEAD":
        response.automatically_set_content_length = False
    return response


def _broken_off(body: bytes) -> Iterator[bytes]:
    yield body
    raise cut_short()


class StreamResponse(Response):
    """A response whose body is a listener's: it keeps the socket where that is possible."""

    def __init__(
        self, prepared: PreparedStream, delivery: Delivery, headers: Sequence[tuple[str, str]]
    ) -> None:
        super().__init__(status=200, headers=headers)
        self._prepared = prepared
        self._delivery = delivery

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if can_take_over(environ) and not self._prepared.end_counts:
            own = with_programs_own(environ, self.headers)
            headers = [(name, value) for name, value in own if name != "Content-Length"]
            transport = SocketTransport.beside(environ["gunicorn.socket"])
            take_over(transport, self._delivery, self._prepared, headers)
            return ALREADY_HANDLED
        listener = self._prepared.listener
        whole = (lambda: listener.whole) if self._prepared.end_counts else None
        body = ResponseTransport(socket_of(environ), whole)
        if can_take_over(environ):
            body.watch()
        self._delivery.opened(listener)
        listener.start(body, self._prepared.head)
        self.response = body.body()
        return super().__call__(environ, start_response)


def take_over(
    transport: SocketTransport,
    delivery: Delivery,
    prepared: PreparedStream,
    headers: Sequence[tuple[str, str]],
) -> None:
    """Write the status and the headers, and let the listener keep the socket. The stream ends with
    its connection: it has no length and no chunks (RFC 9112 §6.3)."""
    lines = [f"HTTP/1.1 200 OK\r\nDate: {http_date(time.time())}\r\nConnection: close\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers]
    head = "".join(lines).encode("latin-1") + b"\r\n" + prepared.head
    delivery.opened(prepared.listener)
    prepared.listener.start(transport, head)
