"""A body that is sent while it comes into being: read piece by piece, each as it arrives.

The whole may take for ever, as long as it is alive: what `HUB_BODY_SECONDS` bounds is a body that
is awaited (`body`). This one is taken as it comes, so its connection does not count as waiting.
What bounds it is the patience of its reader, and `interrupt`, which any greenlet may call.

gunicorn's own `read` fills the size that was asked for, so a line would wait for those behind it.
Here a piece is one read of the socket, or what is left of a chunk.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gevent
from flask import Request

from hub.errors import BodyTimeout, FieldError, HubError
from hub.web.waiting import WAITING

_READ_BYTES = 64 * 1024
_REST_BYTES = 64 * 1024
_REST_SECONDS = 1.0


class LiveBody:
    """Read by one greenlet."""

    def __init__(self, request: Request, patience_seconds: float) -> None:
        self._read = _reader(request)
        self._connection = request.environ.get(WAITING)
        self._patience_seconds = patience_seconds
        self._reading: Any = None
        self._interruption: HubError | None = None
        self._over = False

    def piece(self) -> bytes:
        """What has come, as soon as anything has; empty at the body's end. Raises `BodyTimeout`
        after too long a silence, `FieldError` for a body that is broken or broken off, and what
        `interrupt` was given."""
        if self._interruption is not None:
            raise self._interruption
        self._reading = gevent.getcurrent()
        try:
            return self._piece(self._patience_seconds)
        finally:
            self._reading = None

    def interrupt(self, error: HubError) -> None:
        """Let the reader raise `error`: at once where it waits, else when it reads on."""
        self._interruption = error
        gevent.get_hub().loop.run_callback(self._throw)

    def leave(self) -> None:
        """Nothing more is wanted of it. What does not end in a moment may have no end: then its
        connection is given up behind the answer, for the next request has no beginning on it."""
        try:
            rest, give_up = 0, time.monotonic() + _REST_SECONDS
            while not self._over and self._interruption is None and rest < _REST_BYTES:
                rest += len(self._piece(max(0.001, give_up - time.monotonic())))
        except HubError:
            pass
        if not self._over and self._connection is not None:
            self._connection.spoil()

    def _piece(self, seconds: float) -> bytes:
        timer = gevent.Timeout.start_new(seconds)
        try:
            data = self._read()
        except gevent.Timeout as timeout:
            if timeout is not timer:
                raise
            raise BodyTimeout("nothing of the body came for too long") from None
        except HubError:
            raise
        except Exception:  # each server has errors of its own for it
            problem = "was broken off, or is not chunked as HTTP has it"
            raise FieldError("body", problem, code="broken-body") from None
        finally:
            timer.close()
        self._over = not data
        return data

    def _throw(self) -> None:
        # Called by the loop itself: the reader waits in its read now, or is out of it.
        if self._reading is not None:
            self._reading.throw(self._interruption)


def _reader(request: Request) -> Callable[[], bytes]:
    """What returns the next piece, and nothing at the end."""
    reader = getattr(request.environ.get("wsgi.input"), "reader", None)
    if hasattr(reader, "parser"):
        return lambda: _of_chunks(reader)
    if hasattr(reader, "unreader"):
        return lambda: _of_length(reader)
    return lambda: request.stream.read(_READ_BYTES)


def _of_chunks(reader: Any) -> bytes:
    for data in reader.parser or ():
        if data:
            piece: bytes = data
            return piece
    return b""


def _of_length(reader: Any) -> bytes:
    if reader.length == 0:
        return b""
    data: bytes = reader.unreader.read(None, read_ahead=reader.length)
    piece, rest = data[: reader.length], data[reader.length :]
    if not piece:
        raise EOFError
    if rest:  # the next request on this connection
        reader.unreader.unread(rest)
    reader.length -= len(piece)
    return piece
