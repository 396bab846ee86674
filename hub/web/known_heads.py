"""Plain requests whose heads were read before.

A client that keeps its connection sends one head again and again, all but its Content-Length, and
those of a crowd are alike. Reading a head, judging it and finding out who asks is more than half of
what a publish costs in Python, so what follows from the bytes of a head alone, and from who sends
it to which port, is remembered under them. What may change meanwhile (a token ends or is revoked,
keys are exchanged) is asked each time: `Callers.still_counts`.

Only what `plain` has read is remembered, so a head is known in the one way in which it can be read.
What differs from request to request (`_OF_ONE`) would only drive out the others.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from hub.trace import Trace
from hub.web.caller import Caller
from hub.web.entrance import Entrance, events_of
from hub.web.headers import EVERY_ANSWER
from hub.web.plain import BODY_BYTES, HEAD_BYTES, field_lines, plain_request
from hub.web.publishing import Wish
from hub.web.request_head import RequestHead

REMEMBERED = 512
"""A head takes some 3 KiB, and 10 at the most."""

_OF_ONE = frozenset({"idempotency-key", "x-request-id", "traceparent"})
_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: ([0-9]{1,6})\r\n")
_END = b"\r\n\r\n"

_Key = tuple[bytes, bytes, str, str]


class KnownHead:
    """`channel` is the one whose events are asked for or published, `keep` whether another request
    may follow. `caller` is who was found to ask, `wish` what a publish of theirs is."""

    __slots__ = ("caller", "channel", "fields", "head", "keep", "request_id", "wish")

    def __init__(self, head: RequestHead, fields: bytes, *, keep: bool) -> None:
        self.head = head
        self.keep = keep
        self.channel = events_of(head.path)
        self.fields = fields
        named = head.headers.get("x-request-id")
        self.request_id = named if named and named == Trace.of(head.headers).request_id else ""
        self.caller: Caller | None = None
        self.wish: Wish | None = None


class Asked(NamedTuple):
    """A plain request: its head, how long that is and how long its body, which may not be there
    yet."""

    known: KnownHead
    head_bytes: int
    body_bytes: int


class KnownHeads:
    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance
        self._heads: dict[_Key, KnownHead] = {}

    def read(self, data: bytes, peer: str, port: str) -> Asked | None:
        """The request that `data` begins with; None where it is not plain, or its head not
        whole."""
        end = data.find(_END, 0, HEAD_BYTES) + len(_END)
        if end < len(_END):
            return None
        # Its value is cut out. Where it is written otherwise the head is looked for as it came: no
        # head that came so ends where one with a length cut out does.
        length = _LENGTH.search(data, 0, end)
        if length is None:
            key, body_bytes = (data[:end], b"", peer, port), 0
        else:
            begins, ends = length.span(1)
            key, body_bytes = (data[:begins], data[ends:end], peer, port), int(length[1])
        known = self._heads.get(key)
        if known is not None and body_bytes <= BODY_BYTES:
            return Asked(known, end, body_bytes)
        return self._read(data, key)

    def _read(self, data: bytes, key: _Key) -> Asked | None:
        plain = plain_request(data)
        if plain is None:
            return None
        *_, peer, _ = key
        head = self._entrance.head(plain.method, plain.path, plain.query, plain.headers, peer)
        fields = field_lines([*self._entrance.headers(head), *EVERY_ANSWER.items()])
        known = KnownHead(head, fields, keep=plain.keep)
        # A length that was not cut out stands in the key, and may be any.
        if _OF_ONE.isdisjoint(head.headers) and (key[1] or plain.method == "GET"):
            while len(self._heads) >= REMEMBERED:
                del self._heads[next(iter(self._heads))]
            self._heads[key] = known
        return Asked(known, plain.head_bytes, plain.body_bytes)
