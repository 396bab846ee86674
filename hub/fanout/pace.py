"""Long work in short steps: whatever takes a while lets the process's other greenlets run between.

A loop over something that a client or a provider has made large calls `Pace.step` in each round.
gevent's threads were refused for it: Python runs one thread at a time, and a call that holds the
interpreter for a second holds the streams for a second, wherever it runs.
"""

from __future__ import annotations

import time
from codecs import iterdecode
from collections.abc import Iterable, Iterator
from io import BytesIO
from json.encoder import encode_basestring
from typing import Any, TypeVar

import gevent

from hub.event import compact_json
from hub.long_text import JsonText, LongText, Text, slices

STEP_SECONDS = 0.005
LONG_TEXT = 64 * 1024
"""Characters of a text that are written as JSON in one step, and bytes of a part of the result."""

COPIED_BYTES = 1 << 20
"""Bytes that are copied in one step."""

_A_MOMENT = 1e-9
"""Not 0: gevent calls fifty greenlets that sleep for nothing before it looks at its sockets."""

_LONG_LIST = 1000
_DOZENS = 32


def pause() -> None:
    """Hand over to the others once: between two things that take a while."""
    if gevent.getcurrent() is not gevent.get_hub():
        gevent.sleep(_A_MOMENT)


_T = TypeVar("_T")


def paced(items: Iterable[_T]) -> Iterator[_T]:
    """`items`, between which others run where what is done with them takes a while."""
    pace = Pace()
    for item in items:
        yield item
        pace.step()


class Pace:
    """Hands over to the others when `STEP_SECONDS` of work are done since it last did; not where
    the loop itself is at work, for whom nobody could take over."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def step(self) -> None:
        if time.perf_counter() - self._since > STEP_SECONDS:
            pause()
            self._since = time.perf_counter()


def joined(parts: Iterable[bytes | memoryview]) -> bytes:
    """`b"".join(parts)` for parts that are large together: copied in steps between which others
    run. Also the memory is asked for piece by piece."""
    pace, whole = Pace(), BytesIO()
    for part in parts:
        view = memoryview(part)
        for at in range(0, len(view), COPIED_BYTES):
            whole.write(view[at : at + COPIED_BYTES])
            pace.step()
    return whole.getvalue()  # the same memory: nothing is copied


def encoded(text: Text) -> bytes:
    """The text in UTF-8, made in steps where it is long."""
    if isinstance(text, str) and len(text) <= COPIED_BYTES:
        return text.encode()
    return joined(part.encode() for part in slices(text, LONG_TEXT))


def json_parts(value: object) -> Iterator[bytes]:
    """`compact_json(value)` in UTF-8, in parts of about `LONG_TEXT`: each is made in a step of its
    own, between which others run. Joined, they are the same bytes."""
    pace, held, size = Pace(), [], 0
    for text in _texts(value):
        held.append(text)
        size += len(text)
        if size >= LONG_TEXT:
            yield "".join(held).encode()
            held, size = [], 0
        pace.step()  # also a short text may come out of a deep place
    yield "".join(held).encode()


def paced_json(value: object) -> str:
    """`compact_json(value)`, made in steps."""
    return joined(json_parts(value)).decode()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, LongText) or (isinstance(value, str) and len(value) > LONG_TEXT):
        yield '"'
        for part in slices(value, LONG_TEXT):
            yield encode_basestring(part)[1:-1]
        yield '"'
    elif isinstance(value, JsonText):
        size = len(value.text)
        parts = (value.text[at : at + LONG_TEXT] for at in range(0, size, LONG_TEXT))
        for text in iterdecode(parts, "utf-8"):
            yield text.replace("\r", " ").replace("\n", " ")  # none stands in a string of JSON
    elif isinstance(value, dict) and value:
        yield from _members("{", "}", ((f"{compact_json(str(k))}:", v) for k, v in value.items()))
    elif isinstance(value, list) and len(value) > _LONG_LIST:
        # Many things are small ones: one by one they would take ten times as long.
        for at in range(0, len(value), _DOZENS):
            yield "[" if at == 0 else ","
            yield compact_json(value[at : at + _DOZENS])[1:-1]
        yield "]"
    elif isinstance(value, list) and value:
        yield from _members("[", "]", (("", each) for each in value))
    else:
        yield compact_json(value)


def _members(begin: str, end: str, members: Iterable[tuple[str, Any]]) -> Iterator[str]:
    for name, value in members:
        yield begin + name
        yield from _texts(value)
        begin = ","
    yield end
