"""A chunked body is read as http.client reads it, whatever the borders, only in fewer steps."""

from __future__ import annotations

import http.client
import io
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from workers.provider.response import Response

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = st.binary(min_size=1, max_size=40)
ENDS = [b"0\r\n\r\n", b"0\r\nTrailer: x\r\n\r\n", b"", b"0", b"zz\r\n", b"5\r\nhal"]
EXTENSION = st.sampled_from([b"", b";name=value"])


class _Pieces(io.RawIOBase):
    """A socket's file that brings one piece at each reading."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._pieces.pop(0) if self._pieces else b""
        taken, rest = piece[: len(buffer)], piece[len(buffer) :]
        if rest:
            self._pieces.insert(0, rest)
        buffer[: len(taken)] = taken
        return len(taken)


class _Socket:
    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Pieces(self._pieces), 64)


def read(kind: type[http.client.HTTPResponse], pieces: list[bytes]) -> tuple[bytes, str]:
    """The body, and how it ended."""
    response = kind(_Socket([HEAD, *pieces]))  # type: ignore[arg-type]
    response.begin()
    body = b""
    try:
        while data := response.read1(65536):
            body += data
    except (http.client.HTTPException, ValueError) as error:
        return body, type(error).__name__
    return body, "end"


@given(
    chunks=st.lists(st.tuples(CHUNK, EXTENSION), max_size=8),
    end=st.sampled_from(ENDS),
    borders=st.lists(st.integers(0, 400), max_size=8),
)
def test_a_body_is_the_same_and_ends_the_same_at_any_borders(
    chunks: list[tuple[bytes, bytes]], end: bytes, borders: list[int]
) -> None:
    whole = b"".join(b"%x%s\r\n%s\r\n" % (len(data), more, data) for data, more in chunks) + end
    cuts = sorted({min(border, len(whole)) for border in borders} | {0, len(whole)})
    pieces = [whole[a:b] for a, b in pairwise(cuts) if a != b]
    assert read(Response, list(pieces)) == read(http.client.HTTPResponse, list(pieces))


def test_chunks_that_came_together_are_read_together() -> None:
    response = Response(_Socket([HEAD, b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n"]))  # type: ignore[arg-type]
    response.begin()
    assert response.read1(65536) == b"abc"
    assert response.read1(65536) == b""
