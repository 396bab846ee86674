"""Two ways to a client: a socket taken over from gunicorn, and an ordinary WSGI response.

Both are `listener.Transport`; the listener does not know which it has. A socket can be taken over
on HTTP/1.1 without TLS under our gunicorn worker; everywhere else it is the response, and also
where the stream's end says something: a socket's end looks like a crash, that of chunks does not.
"""

from __future__ import annotations

import _socket
import errno
import fcntl
import os
import ssl
import struct
import sys
import termios
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import gevent
from gevent.event import Event

from hub.web.gunicorn_worker import MARK

_INPUT_BYTES = 64 * 1024
_BUFFER_BYTES = 256 * 1024
_PIECE_BYTES = 32 * 1024
_READ, _WRITE = 1, 2
_INTERNET = (_socket.AF_INET, _socket.AF_INET6)
_ACCEPTED = struct.Struct("=24xI92xQ16xI")
"""Of Linux' `struct tcp_info`: segments under way, bytes acknowledged, bytes not sent yet."""


def socket_of(environ: dict[str, Any]) -> Any:
    """The request's own socket, or None where the server does not show it."""
    if environ.get("SERVER_PROTOCOL") not in ("HTTP/1.1", "HTTP/1.0"):
        return None  # of HTTP/2 it would be that of others, too
    for name in ("gunicorn.socket", "werkzeug.socket"):
        if name in environ:
            return environ[name]
    reader = getattr(environ.get("wsgi.input"), "rfile", None)  # gevent's own server
    return getattr(getattr(reader, "raw", None), "_sock", None)


def can_take_over(environ: dict[str, Any]) -> bool:
    """Whether this request's socket may be kept."""
    sock = socket_of(environ)
    return MARK in environ and sock is not None and not isinstance(sock, ssl.SSLSocket)


def cut_short() -> OSError:
    """What a body raises where its end would look like the whole answer's: the server closes the
    connection without the last chunk."""
    return OSError(errno.ECONNRESET, "cut short")


def wait_as_long_as_we_do(sock: Any) -> None:
    """Leave it to the hub when to give up a client that accepts nothing (`stalls`): the kernel
    counts `TCP_USER_TIMEOUT` from the moment the client's buffer was full, whatever it reads then.
    """
    if sock.family in _INTERNET and sys.platform == "linux":
        sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_USER_TIMEOUT, 0)


def accepted(sock: Any) -> Hashable | None:
    """`Transport.progress` of a socket under Linux: None where nothing is under way or waits in
    the kernel. Elsewhere always None."""
    if sys.platform != "linux":
        return None
    try:
        if sock.family in _INTERNET:
            info = sock.getsockopt(_socket.IPPROTO_TCP, _socket.TCP_INFO, _ACCEPTED.size)
            under_way, acknowledged, waiting = _ACCEPTED.unpack(info)
            return acknowledged if under_way or waiting else None
        (waiting,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))
        return waiting or None
    except OSError:
        return None  # closed


class SocketTransport:
    """A raw non-blocking socket and a watcher that notices the client's leaving.

    What a client sends on an open stream (a pipelined request, garbage) is read and thrown away, up
    to a bound.
    """

    __slots__ = ("_reader", "_received", "_sock", "_times_full", "_writer", "send")

    @classmethod
    def beside(cls, sock: Any) -> SocketTransport:
        """With a duplicate of gunicorn's descriptor, so that gunicorn may close its own."""
        own = _socket.socket(sock.family, sock.type, sock.proto, os.dup(sock.fileno()))
        own.setblocking(False)
        return cls(own)

    def __init__(self, sock: _socket.socket, reader: Any = None) -> None:
        """`sock` does not block, and is the transport's to close, as is `reader`, a watcher of its
        input, where there is one already: another would be a call of the kernel's more."""
        self._sock = sock
        self.send: Callable[[bytes], int] = self._sock.send
        self._received = self._times_full = 0
        wait_as_long_as_we_do(sock)
        if reader is None:
            reader = gevent.get_hub().loop.io(sock.fileno(), _READ)
        self._reader = reader
        self._writer: Any = None

    def when_gone(self, callback: Callable[[], None]) -> None:
        # Only the watcher knows it, and forgets it when it stops. A way back to the listener from
        # here would be a cycle: a crowd that came and went would wait for the collector.
        self._reader.start(self._readable, callback)

    def when_writable(self, callback: Callable[[], None]) -> None:
        if self._writer is None:
            self._writer = gevent.get_hub().loop.io(self._sock.fileno(), _WRITE)
            self._times_full += 1
        self._writer.start(self._once, callback)

    def progress(self) -> Hashable | None:
        found = accepted(self._sock)
        if found is None and self._writer is not None:  # the kernel does not tell
            return -self._times_full
        return found

    def break_off(self) -> None:
        """Nothing of it waits but in the kernel, which `close` leaves it to."""

    def close(self) -> None:
        for watcher in (self._reader, self._writer):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._reader = self._writer = None
        self._sock.close()

    def _once(self, callback: Callable[[], None]) -> None:
        writer, self._writer = self._writer, None
        writer.stop()
        writer.close()
        callback()

    def _readable(self, gone: Callable[[], None]) -> None:
        try:
            data = self._sock.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._received += len(data)
        if not data or self._received > _INPUT_BYTES:
            gone()


class ResponseTransport:
    """The body of a WSGI response: the server's greenlet takes what the listener has put in.

    It buffers at most about 256 KiB: a client that does not keep up falls behind here as it does
    on a socket of its own.
    """

    def __init__(self, sock: Any = None, whole: Callable[[], bool] | None = None) -> None:
        """`sock` is the server's, where it is known. `whole`, where the end counts: whether the
        stream that was closed is. If not, it breaks off in place of ending."""
        self._sock = sock
        self._whole = whole
        if sock is not None:
            wait_as_long_as_we_do(sock)
        self._pieces = 0
        self._with_server = False
        self._buffer: list[bytes] = []
        self._size = 0
        self._news = Event()
        self._closed = False
        self._writable: Callable[[], None] | None = None
        self._gone: Callable[[], None] | None = None
        self._watcher: Any = None

    def watch(self) -> None:
        """Notice at once that the client leaves; the server would at its second failed write. Not
        under TLS, where bytes on the socket say nothing."""
        descriptor = self._sock.fileno()
        self._watcher = gevent.get_hub().loop.io(descriptor, _READ)
        self._watcher.start(self._readable, descriptor)

    def send(self, data: bytes) -> int:
        if self._size >= _BUFFER_BYTES:
            raise BlockingIOError
        self._buffer.append(data)
        self._size += len(data)
        self._news.set()
        return len(data)

    def when_gone(self, callback: Callable[[], None]) -> None:
        self._gone = callback

    def when_writable(self, callback: Callable[[], None]) -> None:
        self._writable = callback

    def progress(self) -> Hashable | None:
        """Where the socket is not known, what the server has taken stands for what the client has
        accepted."""
        beyond = accepted(self._sock) if self._sock is not None else None
        owed = beyond is not None or self._buffer or self._with_server
        return (self._pieces, beyond) if owed else None

    def break_off(self) -> None:
        if self._sock is not None:
            sock = _socket.socket(fileno=os.dup(self._sock.fileno()))
            try:
                sock.shutdown(_socket.SHUT_RDWR)
            except OSError:
                pass  # the client did so before
            finally:
                sock.close()

    def close(self) -> None:
        self._closed = True
        self._news.set()

    def body(self) -> Iterator[bytes]:
        """The response's body; closing it (the server does when the client has left) ends the
        listener."""
        try:
            while self._buffer or not self._closed:
                self._news.wait()
                self._news.clear()
                data = b"".join(self._buffer)
                self._buffer.clear()
                self._size = 0
                self._with_server = True
                for at in range(0, len(data), _PIECE_BYTES):  # a server copies what it is given
                    yield data[at : at + _PIECE_BYTES]
                    self._pieces += 1
                self._with_server = False
                writable, self._writable = self._writable, None
                if writable is not None:
                    writable()
            if self._whole is not None and not self._whole():
                raise cut_short()
        finally:
            self._stop_watching()
            self._sock = None  # the server's again
            if self._gone is not None and not self._closed:
                self._gone()

    def _readable(self, descriptor: int) -> None:
        sock = _socket.socket(fileno=os.dup(descriptor))
        try:
            left = not sock.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            left = True
        finally:
            sock.close()
        self._stop_watching()  # what a client sends on meanwhile is the server's to read
        if left and self._gone is not None and not self._closed:
            self._gone()

    def _stop_watching(self) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.stop()
            watcher.close()
