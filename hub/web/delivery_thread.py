"""Streams in a process whose server is not gevent's: `flask run`, waitress, uWSGI, a test client.

A `Delivery` belongs to one event loop. Here it gets a thread of its own with a loop of its own, and
the server's threads hand requests over to it and take bytes back: all listeners of the process
share one subscription there too, with the same verdicts, snapshots and catch-up as under gunicorn.
The price is a thread of the server's for each open stream, which such servers take anyway.

Everything of the delivery runs in its thread. What crosses: functions, by `call`; bytes, by
`ThreadTransport`.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import gevent
from gevent.event import Event

from hub.fanout.delivery import Delivery
from hub.fanout.subscribe import PreparedStream
from hub.web.transport import accepted, cut_short

_BUFFER_BYTES = 256 * 1024
_PIECE_BYTES = 32 * 1024

T = TypeVar("T")

_threads: WeakKeyDictionary[Delivery, DeliveryThread] = WeakKeyDictionary()


def delivery_for_server(make: Callable[[], Delivery]) -> Delivery:
    """A delivery where this process's server can use it: in its loop, or in a thread."""
    return make() if under_gevent() else DeliveryThread(make).delivery


def under_gevent() -> bool:
    """Whether gevent has patched this process, so that its greenlets are the server's threads."""
    return socket.socket.__module__.startswith("gevent")


class DeliveryThread:
    """A thread that has started when this returns; it ends by `stop`, or with the process."""

    def __init__(self, make: Callable[[], Delivery]) -> None:
        self._work: deque[Callable[[], object]] = deque()
        self._made: Future[Delivery] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(make,), name="delivery", daemon=True
        )
        self._thread.start()
        self.delivery = self._made.result()
        _threads[self.delivery] = self

    @staticmethod
    def of(delivery: Delivery) -> DeliveryThread | None:
        """The thread that a delivery lives in; None where it lives in the server's own loop."""
        return _threads.get(delivery)

    def call(self, function: Callable[[], T]) -> T:
        """What `function` returns, or raises, in the delivery's thread."""
        if threading.current_thread() is self._thread:
            return function()
        answer: Future[T] = Future()

        def run() -> None:
            try:
                answer.set_result(function())
            except BaseException as error:
                answer.set_exception(error)

        self.send(lambda: gevent.spawn(run))
        return answer.result()

    def send(self, function: Callable[[], object]) -> None:
        """Call `function` in the delivery's thread, soon. It must not wait."""
        self._work.append(function)
        self._wake.send()

    def stop(self) -> None:
        """End the thread and its subscription; the streams that are open say no more."""
        self.send(self._over.set)
        self._thread.join()

    def body(self, prepared: PreparedStream, sock: Any) -> Iterator[bytes]:
        """Start a prepared stream: the response's body. Closing it ends the listener. `sock` is the
        server's, where it shows it."""
        transport = ThreadTransport(self, sock)

        def start() -> None:
            self.delivery.opened(prepared.listener)
            prepared.listener.start(transport, prepared.head)

        self.call(start)
        listener = prepared.listener
        return _Body(transport, (lambda: listener.whole) if prepared.end_counts else None)

    def _run(self, make: Callable[[], Delivery]) -> None:
        self._over = Event()
        self._wake = gevent.get_hub().loop.async_()
        self._wake.start(self._drain)
        try:
            delivery = make()
            delivery.in_its_loop = self.call
            delivery.start()
        except BaseException as error:
            self._made.set_exception(error)
            return
        self._made.set_result(delivery)
        self._over.wait()
        delivery.stop()

    def _drain(self) -> None:
        while self._work:
            self._work.popleft()()


class ThreadTransport:
    """`listener.Transport` in the delivery's thread, the bytes' way out in the server's."""

    def __init__(self, thread: DeliveryThread, sock: Any) -> None:
        self._thread = thread
        self._sock = sock
        self._pieces: SimpleQueue[bytes | None] = SimpleQueue()
        self._waiting = self._times_taken = 0
        self._closed = False
        self._writable: Callable[[], None] | None = None
        self._gone: Callable[[], None] | None = None

    def send(self, data: bytes) -> int:
        if self._waiting >= _BUFFER_BYTES:
            raise BlockingIOError
        self._waiting += len(data)
        for at in range(0, len(data), _PIECE_BYTES):
            self._pieces.put(bytes(data[at : at + _PIECE_BYTES]))
        return len(data)

    def when_gone(self, callback: Callable[[], None]) -> None:
        self._gone = callback

    def when_writable(self, callback: Callable[[], None]) -> None:
        self._writable = callback

    def progress(self) -> Hashable | None:
        """Where the socket is not known, what the server has taken stands for what the client has
        accepted."""
        beyond = accepted(self._sock) if self._sock is not None else None
        return (self._times_taken, beyond) if beyond is not None or self._waiting else None

    def break_off(self) -> None:
        """The server's own sends are its own."""

    def close(self) -> None:
        self._closed = True
        self._pieces.put(None)

    def take(self) -> bytes | None:
        """The next bytes, or None at the end. In the server's thread."""
        piece = self._pieces.get()
        if piece is not None:
            self._thread.send(partial(self._taken, len(piece)))
        return piece

    def leave(self) -> None:
        """The client has gone, or has everything. In the server's thread."""
        self._thread.send(self._left)

    def _taken(self, size: int) -> None:
        self._waiting -= size
        self._times_taken += 1
        writable, self._writable = self._writable, None
        if writable is not None and not self._closed:
            writable()

    def _left(self) -> None:
        if self._gone is not None and not self._closed:
            self._gone()


class _Body:
    """The response's body. Not a generator: a server that closes one which it has not begun to
    read would leave its listener behind. `whole`: whether the end of the bytes may look like the
    answer's."""

    def __init__(self, transport: ThreadTransport, whole: Callable[[], bool] | None) -> None:
        self._transport = transport
        self._whole = whole

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> bytes:
        piece = self._transport.take()
        if piece is None:
            if self._whole is not None and not self._whole():
                raise cut_short()
            raise StopIteration
        return piece

    def close(self) -> None:
        self._transport.leave()
