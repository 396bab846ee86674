"""JSON from outside, checked before it is believed: the one door of what clients send.

What comes through it is a value that every later reader can bear:

* it is nested at most `depth` deep and has at most `nodes` values, found before anything is built:
  2.7 million `[]` are 8 MB of text and a quarter of a gigabyte of lists;
* every string is Unicode, also the names in objects: a lone half of a surrogate pair, which JSON
  can spell (`"\\ud800"`) and UTF-8 cannot carry, has become U+FFFD;
* every number is one that JSON's readers can hold: no NaN, no Infinity, nothing beyond a double's
  range (integers of 401 digits, 1e400).

Nothing here takes long in one go: between windows of the text `step` is called, where the caller
lets others run. Parsing itself is msgspec's, five times as fast as the standard library's.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import msgspec

from hub.errors import FieldError
from hub.long_text import JsonText

_WINDOW_BYTES = 512 * 1024
_SMALL_BYTES = 64 * 1024
_PARTS = 4096
_NAMED_BYTES = 64 * 1024
"""Up to this size a number that is none is looked for, to say where it stands."""

_LEVEL = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(set(range(256)) - set(_LEVEL))
_DOUBTFUL = re.compile(rb"[0-9]{17}|[0-9][eE]|[NI]")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""An escape in a string; the group is there where it is half a pair alone."""
_IN_STRING = re.compile(
    rb'(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}'
    rb"|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})){1,65536}+"
)
_HALF = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_STRING_BYTES = 256 * 1024

decode = msgspec.json.Decoder().decode
"""The value of what we have written ourselves, or have looked at: `str` or bytes."""


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """How deep a value may be nested, and how many values it may hold, itself among them."""

    depth: int
    nodes: int


def go_on() -> None:
    pass


def parse_json(
    text: bytes, limits: JsonLimits, field: str = "body", step: Callable[[], None] = go_on
) -> Any:
    """The value. Raises `FieldError`, which names the field where a number is none."""
    doubtful = _check_shape(text, limits, field, step)
    try:
        value = decode(text)
    except ValueError:
        step()
        value = _decode_again(text, field, step)
    if doubtful:
        _check_numbers(value, field, step)
    return value


def checked_json(
    text: bytes, limits: JsonLimits, field: str = "body", step: Callable[[], None] = go_on
) -> JsonText:
    """The text itself, where `parse_json` would take it. Its strings are looked at and not made: of
    a long one that would be a step of 0.1 s, and four times the memory. Raises `FieldError`."""
    rest, at = [], 0
    while (begin := text.find(b'"', at)) >= 0:
        rest.append(text[at:begin] + b'""')
        at = begin + 1
        while text[at : at + 1] != b'"':
            found = _IN_STRING.match(text, at, at + _STRING_BYTES)
            if found is not None:
                at = found.end()
            elif _HALF.match(text, at):
                text = with_whole_characters(text, step)
            else:
                raise FieldError(field, "is not JSON in UTF-8", code="invalid-json")
            step()
        at += 1
        if len(rest) > 2 * limits.nodes:
            raise FieldError(field, f"holds more than {limits.nodes} values", code="invalid-json")
        step()
    parse_json(b"".join([*rest, text[at:]]), limits, field, step)
    return JsonText(text)


def _decode_again(text: bytes, field: str, step: Callable[[], None]) -> Any:
    """What msgspec refuses: with halves of pairs, with numbers that are none, or no JSON at all."""
    try:
        text = with_whole_characters(text, step)
        return decode(text)
    except ValueError:
        if len(text) <= _NAMED_BYTES:
            _name_number(text, field, step)
    raise FieldError(field, "is not JSON in UTF-8", code="invalid-json")


def _name_number(text: bytes, field: str, step: Callable[[], None]) -> None:
    """Raise the error that names the number that is none, where that is what is wrong."""
    try:
        value = json.loads(text.decode())
    except (ValueError, RecursionError):
        return
    _check_numbers(value, field, step)


def _check_shape(text: bytes, limits: JsonLimits, field: str, step: Callable[[], None]) -> bool:
    """Count what stands outside of strings; whether a number there needs a second look."""
    if len(text) <= _SMALL_BYTES:
        # Most that is small opens fewer brackets than may stand within each other.
        outside = b"".join(_between_quotes(text)[::2])
        opened = outside.count(b"[") + outside.count(b"{")
        if opened <= limits.depth and opened + outside.count(b",") < limits.nodes:
            return _DOUBTFUL.search(outside) is not None
    nodes, depth, doubtful = 1, 0, False
    for outside in outside_strings(text, step):
        nodes += outside.count(b",") + outside.count(b"[") + outside.count(b"{")
        if nodes > limits.nodes:
            problem = f"holds more than {limits.nodes} values"
            raise FieldError(field, problem, code="invalid-json")
        deepest, change = levels(outside)
        if depth + deepest > limits.depth:
            problem = f"is nested more than {limits.depth} deep"
            raise FieldError(field, problem, code="invalid-json")
        depth += change
        doubtful = doubtful or _DOUBTFUL.search(outside) is not None
    return doubtful


def levels(outside: bytes) -> tuple[int, int]:
    """How far a window without strings leads down at most, and at its end."""
    found = list(accumulate(map(_LEVEL.__getitem__, outside.translate(None, _NO_BRACKETS))))
    return (max(0, *found), found[-1]) if found else (0, 0)


def outside_strings(text: bytes, step: Callable[[], None]) -> Iterator[bytes]:
    """What stands outside of the strings, a window of the text at a time."""
    inside, at = 0, 0
    while at < len(text):
        window = text[at : at + _WINDOW_BYTES]
        if (len(window) - len(window.rstrip(b"\\"))) % 2:  # an escape is not cut in two
            window = text[at : at + _WINDOW_BYTES + 1]
        at += len(window)
        parts = _between_quotes(window)
        yield b"".join(parts[inside::2])
        inside = (inside + len(parts) - 1) % 2
        step()


def _between_quotes(window: bytes) -> list[bytes]:
    """By turns what stands outside of strings and in them, without escapes."""
    if b"\\" in window:
        window = window.replace(b"\\\\", b"").replace(b'\\"', b"")
    return window.split(b'"')


def with_whole_characters(text: bytes, step: Callable[[], None]) -> bytes:
    """The text with U+FFFD in the place of each escape that is half a character."""
    mended: list[bytes] = []
    parts: list[bytes] = []
    at = 0
    for escape in _ESCAPE.finditer(text):
        if escape[1] is not None:
            parts += (text[at : escape.start()], b"\\ufffd")
            at = escape.end()
            if len(parts) > _PARTS:
                mended.append(b"".join(parts))
                parts.clear()
        step()
    return b"".join([*mended, *parts, text[at:]])


def _check_numbers(value: Any, field: str, step: Callable[[], None]) -> None:
    left: list[tuple[str, Any]] = [(field, [value])]
    while left:
        path, outer = left.pop()
        named = isinstance(outer, dict)
        for name, each in outer.items() if named else enumerate(outer):
            kind = type(each)
            if kind is dict or kind is list:
                left.append((_within(path, name, each is value), each))
            elif (kind is float and not math.isfinite(each)) or (
                kind is int and abs(each) > sys.float_info.max
            ):
                path = _within(path, name, each is value).removeprefix("body.")
                raise FieldError(path, "is not a number that JSON can carry")
            step()


def _within(path: str, name: str | int, is_all: bool) -> str:
    if is_all:
        return path
    return f"{path}[{name}]" if isinstance(name, int) else f"{path}.{name}"
