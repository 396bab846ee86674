"""Waiting for a generation's end in a web process: a listener that keeps nothing.

It stands in the generation's room as every other listener does, so a thousand who wait cost one
subscription and are woken by the terminal event itself. Polling the record was refused: it asks
Redis again and again and still comes late.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event
from gevent.socket import wait_read

from hub.errors import Overloaded
from hub.fanout.delivery import Delivery
from hub.fanout.subscribe import SubscribeOptions, SubscribeRejected, prepare

_PEEK_SECONDS = 0.5
_PEEK = socket.MSG_PEEK


class _Sink:
    """A transport that takes everything and tells when the stream is over."""

    def __init__(self) -> None:
        self.over = Event()

    def send(self, data: bytes) -> int:
        return len(data)

    def when_writable(self, callback: Callable[[], None]) -> None:
        pass  # it always is

    def when_gone(self, callback: Callable[[], None]) -> None:
        pass  # it stays

    def close(self) -> None:
        self.over.set()


def wait_for_end(
    delivery: Delivery, channel: str, address: str, environ: Any, when_left: Callable[[], None]
) -> None:
    """Return when the channel has ended, or when its streams are closed from here (a shutdown).
    `when_left` is called when the client that waits for the answer leaves meanwhile, where the
    server lets that be seen. Raises `Overloaded`."""
    options = SubscribeOptions(None, "now", delivery.settings.heartbeat_seconds, True, True, True)
    try:
        prepared = prepare(delivery, [channel], options, address)
    except SubscribeRejected as refusal:
        raise Overloaded(refusal.detail) from refusal
    if prepared is None:
        return
    sink = _Sink()
    delivery.opened(prepared.listener)
    prepared.listener.start(sink, b"")
    watcher = _watch(environ.get("gunicorn.socket"), when_left)
    try:
        sink.over.wait()
    finally:
        if watcher is not None:
            watcher.kill()
        prepared.listener.close("answered")


def check_room(delivery: Delivery, address: str) -> None:
    """Refuse before a generation is made whose answer could not be given."""
    if delivery.draining:
        raise Overloaded("this process is shutting down")
    if delivery.full(address):
        raise Overloaded("there are too many listeners")


def _watch(sock: Any, when_left: Callable[[], None]) -> gevent.Greenlet | None:
    """A greenlet that notices the client's leaving. What it may have sent on stays unread."""
    if sock is None or not hasattr(sock, "fileno"):
        return None

    def watch() -> None:
        try:
            wait_read(sock.fileno())
            while sock.recv(1, _PEEK):
                gevent.sleep(_PEEK_SECONDS)
        except OSError:
            pass
        when_left()

    return gevent.spawn(watch)
