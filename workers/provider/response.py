"""A provider's answer beneath urllib3: http.client's, with what it lacks for streams of deltas."""

from __future__ import annotations

import http.client
from typing import Any

_MAX_STATUSES = 16


class Response(http.client.HTTPResponse):
    """http.client's own skips `100 Continue` for as long as one comes, without a pause for others
    where they come fast; and it reads a body's chunks in small steps."""

    _statuses = 0
    fp: Any
    chunk_left: int | None

    def _read_status(self) -> Any:
        self._statuses += 1
        if self._statuses > _MAX_STATUSES:
            raise http.client.BadStatusLine("too many interim answers")
        return super()._read_status()  # type: ignore[misc]

    def _read1_chunked(self, n: int) -> bytes:
        """http.client's own takes three readings for a chunk; a delta is one, and mostly it has
        come whole. Whatever else there is, an end or half a chunk, is left to it."""
        if self.chunk_left:
            return super()._read1_chunked(n)  # type: ignore[misc, no-any-return]
        came = self.fp.peek()
        pieces: list[bytes] = []
        over = 0
        begin = 2 if self.chunk_left == 0 else 0  # the line end behind the last one
        while (line_end := came.find(b"\r\n", begin)) > 0:
            try:
                size = int(came[begin:line_end], 16)
            except ValueError:
                break
            end = line_end + 2 + size
            if size <= 0 or end + 2 > len(came):
                break
            pieces.append(came[line_end + 2 : end])
            begin = over = end + 2
        if not pieces:
            return super()._read1_chunked(n)  # type: ignore[misc, no-any-return]
        self.fp.read(over)
        self.chunk_left = None
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
