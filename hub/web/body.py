"""The body of a request: the one place where a client's bytes enter.

It is read to its end or refused: `408` where it does not come in time, `413` where it is too long,
`400` where it is broken off or is no chunked body. What a client does wrong here is never a fault
of ours: no 5xx, no traceback.

A deadline for each read was refused: a byte every few seconds keeps that for ever. So the whole
has `HUB_BODY_SECONDS`, and each piece must come at `HUB_BODY_BYTES_PER_SECOND`, or within a few
seconds where it is small. While a body is awaited its connection counts as waiting (`waiting`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import IO, Any, Protocol

import gevent

from hub.errors import BodyTimeout, FieldError, RequestError, TooLarge
from hub.fanout.pace import Pace
from hub.json_text import JsonLimits, parse_json
from hub.settings import Settings
from hub.web.waiting import WAITING

DRAIN_BYTES = 16 * 2**20
_FIRST_PIECE_BYTES = 1024
_LARGEST_PIECE_BYTES = 256 * 1024
_PATIENCE_SECONDS = 5.0

WHOLE_BODY = "hubbub.body"
"""In a request's environment: its body, where that came with the head."""


class Sent(Protocol):
    """What is known of a request's body before it is read: Flask's request, or the door's."""

    @property
    def stream(self) -> IO[bytes]: ...

    @property
    def content_length(self) -> int | None: ...

    @property
    def environ(self) -> Mapping[str, Any]: ...


def read_body(
    request: Sent, limit: int, settings: Settings, *, too_large: str = TooLarge.code
) -> bytes:
    """The body, at most `limit` bytes. A longer one is read to its end, within a bound, so that
    the client comes to read the answer; then raises `TooLarge`, with the code `too_large`. Raises
    `BodyTimeout`, `FieldError` for a body that was broken off or is broken, or `Overloaded`."""
    there: bytes | None = request.environ.get(WHOLE_BODY)
    if there is not None:
        if len(there) > limit:
            raise TooLarge(f"body: at most {limit} bytes", code=too_large)
        return there
    waiting: AbstractContextManager[object] = request.environ.get(WAITING, nullcontext())
    reader = _Reader(request.stream, settings)
    with waiting:  # raises `Overloaded` at its end where this one had to make room
        body = reader.read(limit + 1)
        if len(body) > limit:
            reader.drain()
            raise TooLarge(f"body: at most {limit} bytes", code=too_large)
    if len(body) < (request.content_length or 0):
        raise FieldError("body", "ended before its Content-Length", code="broken-body")
    return body


def pass_over(body: IO[bytes], settings: Settings) -> bool:
    """Read what is left of a body that was not wanted; False where that is too much."""
    return _Reader(body, settings).drain()


def read_json(
    request: Sent, limit: int, settings: Settings, *, too_large: str = TooLarge.code
) -> tuple[bytes, Any]:
    """The body as it came, and the JSON value that it is. Raises as `read_body` and
    `parse_json` do."""
    body = read_body(request, limit, settings, too_large=too_large)
    pace = Pace()
    value = parse_json(body, json_limits(settings), step=pace.step)
    pace.step()  # what is made of it takes a while again
    return body, value


def read_question(request: Sent, settings: Settings) -> tuple[bytes, Any]:
    """The body of a request for a generation, whichever interface it came by."""
    limit = settings.max_request_bytes
    return read_json(request, limit, settings, too_large="request-too-large")


def json_limits(settings: Settings) -> JsonLimits:
    return JsonLimits(settings.max_json_depth, settings.max_json_nodes)


class _Reader:
    def __init__(self, stream: IO[bytes], settings: Settings) -> None:
        self._stream = stream
        self._rate = settings.body_bytes_per_second
        self._give_up = time.monotonic() + settings.body_seconds

    def read(self, most: int) -> bytes:
        """Up to `most` bytes, fewer only at the body's end."""
        pieces, size, piece = [], 0, _FIRST_PIECE_BYTES
        while size < most:
            data = self._piece(min(piece, most - size))
            if not data:
                break
            pieces.append(data)
            size += len(data)
            piece = min(2 * piece, _LARGEST_PIECE_BYTES)
        return b"".join(pieces)

    def drain(self) -> bool:
        """Read on, so that the client, which may read nothing before it has sent all, is told.
        Whether the body's end was reached."""
        drained, pace = 0, Pace()
        try:
            while drained < DRAIN_BYTES:
                data = self._piece(_LARGEST_PIECE_BYTES)
                if not data:
                    return True
                drained += len(data)
                pace.step()
        except RequestError:
            pass  # it is too long already, however it ends
        return False

    def _piece(self, size: int) -> bytes:
        left = self._give_up - time.monotonic()
        if self._rate:
            left = min(left, max(_PATIENCE_SECONDS, size / self._rate))
        timer = gevent.Timeout.start_new(max(0.001, left))
        try:
            return self._stream.read(size)
        except gevent.Timeout as timeout:
            if timeout is not timer:
                raise
            raise BodyTimeout("the body did not come in time") from None
        except Exception:  # each server has errors of its own for it
            problem = "was broken off, or is not chunked as HTTP has it"
            raise FieldError("body", problem, code="broken-body") from None
        finally:
            timer.close()
