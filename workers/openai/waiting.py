"""Waiting for a generation in a web process: a listener that keeps nothing.

It stands in the generation's room as every other listener does, so a thousand who wait cost one
subscription and are woken by the event itself. Polling the record was refused: it asks Redis again
and again and still comes late.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import gevent
from gevent.event import Event
from gevent.socket import wait_read

from hub.errors import Overloaded
from hub.fanout.delivery import Delivery
from hub.fanout.subscribe import SubscribeOptions, SubscribeRejected, prepare

_PEEK_SECONDS = 0.5
_PEEK = socket.MSG_PEEK
_CONTENT = re.compile(rb"^event: (?:delta|data|snapshot)$", re.MULTILINE)
"""Data cannot hold such a line: each of its lines begins with `data:`."""


class _Sink:
    """A transport that takes everything and tells when the stream is over, and when it has said
    something of the answer."""

    def __init__(self, *, any_content: bool) -> None:
        self.over = Event()
        self.content = False
        self._any_content = any_content

    def send(self, data: bytes) -> int:
        if self._any_content and not self.content and _CONTENT.search(data):
            self.content = True
            self.over.set()
        return len(data)

    def when_writable(self, callback: Callable[[], None]) -> None:
        pass  # it always is

    def when_gone(self, callback: Callable[[], None]) -> None:
        pass  # it stays

    def progress(self) -> Hashable | None:
        return None

    def break_off(self) -> None:
        pass

    def close(self) -> None:
        self.over.set()


@dataclass(frozen=True, slots=True)
class Client:
    """Who waits: its address, its request's environment, and what to do when it leaves meanwhile,
    where the server lets that be seen."""

    address: str
    environ: Any
    when_left: Callable[[], None]


def wait_for_end(delivery: Delivery, channel: str, client: Client) -> None:
    """Return when the channel has ended, or when its streams are closed from here (a shutdown).
    Raises `Overloaded`."""
    _wait(_Sink(any_content=False), delivery, channel, client, "now", None)


def wait_for_content(delivery: Delivery, channel: str, client: Client, seconds: float) -> bool:
    """Whether something of the answer has come; returns at once when it does, when the channel has
    ended without, or when the time is over. Raises `Overloaded`."""
    sink = _Sink(any_content=True)
    _wait(sink, delivery, channel, client, "start", seconds)
    return sink.content


def _wait(
    sink: _Sink,
    delivery: Delivery,
    channel: str,
    client: Client,
    start: str,
    seconds: float | None,
) -> None:
    options = SubscribeOptions(None, start, delivery.settings.heartbeat_seconds, True, True, True)
    try:
        prepared = prepare(delivery, [channel], options, client.address)
    except SubscribeRejected as refusal:
        raise Overloaded(refusal.detail) from refusal
    if prepared is None:
        return
    delivery.opened(prepared.listener)
    prepared.listener.start(sink, b"")
    watcher = _watch(client.environ.get("gunicorn.socket"), client.when_left)
    try:
        sink.over.wait(seconds)
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
