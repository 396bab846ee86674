"""Requests whose heads can be read in one way only (RFC 9112), and their answers.

A plain request is HTTP/1.1, a GET without a body or a POST with a short one of a known length; each
field stands in it once, and none but Content-Length says how the message is to be read. What is
plain to this reader is read alike by gunicorn's; of everything else it has no opinion.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from hub.timestamp import http_date

HEAD_BYTES = 4096
_FIELDS = 100
"""Longer heads, and those of more fields, meet gunicorn's limits."""
BODY_BYTES = 256 * 1024

# WSGI could not tell an underscore in a field's name from a hyphen. The value takes the white space
# in front of it along: two parts that could both take it would take turns without end.
_HEAD = re.compile(
    rb"(GET|POST) (/[!\"$-~]*) HTTP/1\.1\r\n"
    rb"((?:[!#$%&'*+.^`|~0-9A-Za-z-]+:[\t -~]*\r\n)+)\r\n"
)
_FIELD = re.compile(r"([^:]+):([^\r]*)\r\n")
_LENGTH = re.compile(r"[0-9]{1,6}")
_ODD = frozenset({"transfer-encoding", "expect", "upgrade", "trailer", "te", "http2-settings"})
_KEPT = {"": True, "keep-alive": True, "close": False}


class Plain(NamedTuple):
    """`path` is percent-decoded as WSGI has it. `headers` have lower-case names. `keep`: another
    request may follow."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    keep: bool
    head_bytes: int
    body_bytes: int


def plain_request(data: bytes) -> Plain | None:
    """The request that `data` begins with, its body perhaps not whole yet; None where it is not
    plain, or its head not whole."""
    found = _HEAD.match(data, 0, HEAD_BYTES)
    if found is None:
        return None
    fields = _FIELD.findall(found[3].decode("ascii"))
    headers = {name.lower(): value.strip(" \t") for name, value in fields}
    if len(headers) != len(fields) or len(fields) > _FIELDS or not _ODD.isdisjoint(headers):
        return None
    if "host" not in headers:
        return None
    keep = _KEPT.get(headers.get("connection", "").lower())
    length = headers.pop("content-length", None)
    method = "GET" if length is None else "POST"
    if keep is None or found[1] != method.encode():
        return None
    if length is not None and not (_LENGTH.fullmatch(length) and int(length) <= BODY_BYTES):
        return None
    path, _, query = found[2].partition(b"?")
    if b"%" in path:
        path = unquote_to_bytes(path)
    return Plain(
        method,
        path.decode("latin-1"),
        query.decode("ascii"),
        headers,
        keep,
        found.end(),
        int(length or 0),
    )


def field_lines(fields: Iterable[tuple[str, str]]) -> bytes:
    """Fields of an answer's head."""
    return "".join([f"{name}: {value}\r\n" for name, value in fields]).encode("latin-1")


def answer_bytes(status: int, fields: bytes, body: bytes, *, keep: bool) -> bytes:
    """The answer as it goes on the wire, its `fields` beside those that every one has. `keep`:
    another request may follow."""
    begin = _begin(status, http_date(time.time()), keep)
    if status == _NO_CONTENT:
        return b"%s%s\r\n" % (begin, fields)
    return b"%sContent-Length: %d\r\n%s\r\n%s" % (begin, len(body), fields, body)


@lru_cache(16)
def _begin(status: int, date: str, keep: bool) -> bytes:
    connection = "keep-alive" if keep else "close"
    line = f"HTTP/1.1 {status} {_PHRASES[status]}\r\n"
    return f"{line}Date: {date}\r\nConnection: {connection}\r\n".encode()


_NO_CONTENT = 204
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
