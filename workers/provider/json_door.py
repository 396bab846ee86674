"""The door by which a provider's JSON comes in: behind it everything is sound for every reader.

    value = read(data)           # raises NotJson, Unsound
    if is_torn(data):            # some of its texts may begin or end with half a character
        value = mended(value)
    if may_be_deep(data):
        checked(value)           # raises Unsound: nested too deeply to be passed on

What is checked, once, and why:

| what | because | becomes |
| --- | --- | --- |
| bytes that are not UTF-8 | nothing behind could encode them | U+FFFD |
| half of a surrogate pair (`"\\ud83d"`), in keys, too | the same | U+FFFD, but see below |
| `NaN`, `Infinity`, `1e999`, 401 digits | no JSON, and no reader's parser takes them | `Unsound` |
| more than `MAX_CONTAINERS`, … | each of them costs its readers time | `Unsound` |
| nesting beyond `MAX_DEPTH` | readers recurse, and theirs is not our stack | `Unsound` |

A server that cuts its text by UTF-16 units sends the halves of a character in two deltas. So texts
that are concatenated (`TEXTS`) keep halves at their ends, and `Halves` joins them.

A chunk without `\\u` and without a structure that travels costs one search of its bytes here: this
runs for every delta. One that is long is read by `read_large`, which lets others run between its
steps and mends all halves alike: nobody cuts a text there.
"""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from json.decoder import JSONDecoder
from typing import Any

import msgspec

from hub.fanout.pace import json_parts, paced
from hub.json_text import decode, levels, outside_strings, with_whole_characters
from workers.provider.sse_reader import MAX_EVENT_BYTES

MAX_DEPTH = 64
LARGE_BYTES = 128 * 1024
"""From here on an event is read by `read_large`."""
MAX_CONTAINERS = 60_000
"""Objects and lists in one event."""
MAX_MEMBERS = 130_000
"""Members of objects in one event: 20,000 pieces of tool calls have room."""
MAX_VALUES = 250_000
"""Values in one event: lists of numbers may be long, as the ids of a prompt's tokens are."""
MAX_SHORT_CHARS = 65_536
"""Of an id, a name, a reason: some carry a signature in them, none a text."""
TEXTS = frozenset(
    {"content", "reasoning", "reasoning_content", "refusal", "text", "arguments", "input"}
)
"""Members whose text goes on in the next delta, and so may be cut within a character."""

_MAX_DOUBLE = sys.float_info.max
_MAX_DIGITS = sys.float_info.max_10_exp
_HALF = re.compile("[\ud800-\udfff]")
_ESCAPED_HALF = re.compile(
    rb"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]"
)


class NotJson(ValueError):
    """What came is no JSON at all."""


class Unsound(ValueError):
    """JSON that may not pass, in words."""


def read(data: bytes) -> Any:
    """Raises `NotJson`, `Unsound`."""
    text = data.decode("utf-8", "replace")
    try:
        value, end = _decode(text)
        if end != len(text) and text[end:].strip():
            raise NotJson
    except RecursionError:
        raise Unsound(f"it is nested deeper than {MAX_DEPTH} levels") from None
    except Unsound:
        raise
    except ValueError:
        stripped = text.lstrip()
        if len(stripped) < len(text):
            return read(stripped.encode())
        raise NotJson from None
    return value


def read_large(data: bytes, step: Callable[[], None]) -> Any:
    """`read` for an event that is long, in steps between which `step` is called. What comes back is
    mended, and nested no deeper than `MAX_DEPTH`. Raises `NotJson`, `Unsound`."""
    _check_shape(data, step)
    try:
        return decode(data)
    except msgspec.ValidationError:
        raise Unsound("it holds a number that no double can hold") from None
    except RecursionError:
        raise Unsound(f"it is nested deeper than {MAX_DEPTH} levels") from None
    except ValueError:
        step()
    data = b"".join(_valid_utf8(data, step))
    if len(data) > MAX_EVENT_BYTES:  # three bytes stand for each that was none
        raise Unsound("it is not UTF-8")
    step()
    data = with_whole_characters(data, step)
    step()
    try:
        return decode(data)
    except ValueError:
        raise NotJson from None


def _check_shape(data: bytes, step: Callable[[], None]) -> None:
    containers = members = values = depth = 0
    for outside in outside_strings(data, step):
        inner = outside.count(b"{") + outside.count(b"[")
        containers += inner
        members += outside.count(b":")
        values += inner + outside.count(b",")
        if containers > MAX_CONTAINERS or members > MAX_MEMBERS or values > MAX_VALUES:
            raise Unsound(
                f"it holds more than {MAX_CONTAINERS} objects and lists, "
                f"{MAX_MEMBERS} members or {MAX_VALUES} values"
            )
        deepest, change = levels(outside)
        if depth + deepest > MAX_DEPTH:
            raise Unsound(f"it is nested deeper than {MAX_DEPTH} levels")
        depth += change
        constant = _CONSTANT.search(outside)
        if constant is not None:
            raise Unsound(f"it holds {constant[0].decode()}, which is not JSON")


def _valid_utf8(data: bytes, step: Callable[[], None]) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for at in range(0, len(data), LARGE_BYTES):
        yield decoder.decode(data[at : at + LARGE_BYTES]).encode()
        step()
    yield decoder.decode(b"", final=True).encode()


def begins_a_row(data: bytes) -> bool:
    """Whether the first of several lines is a whole JSON value: the lines are chunks, which no
    blank line parts."""
    line, end, _ = data.partition(b"\n")
    if not end:
        return False
    try:
        decode(line)
    except (ValueError, RecursionError):
        return False
    return True


def is_torn(data: bytes) -> bool:
    """Whether a string in this JSON holds half a surrogate pair."""
    return b"\\u" in data and _ESCAPED_HALF.search(data) is not None


def may_be_deep(data: bytes) -> bool:
    """Whether what came in `data` is worth a look at its depth."""
    return data.count(b"{") + data.count(b"[") > MAX_DEPTH


def checked(value: Any) -> Any:
    """`value`, which is passed on as it is. Raises `Unsound`."""
    if depth(value) > MAX_DEPTH:
        raise Unsound(f"it is nested deeper than {MAX_DEPTH} levels")
    return value


def short(text: str, what: str) -> str:
    """`text`, which is no more than a word. Raises `Unsound`."""
    if len(text) > MAX_SHORT_CHARS:
        raise Unsound(f"{what} is longer than {MAX_SHORT_CHARS} characters")
    return text


def depth(value: object) -> int:
    """How many objects and lists stand in one another; empty ones at the bottom do not count."""
    found = 0
    level = [value]
    while level:
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        found += bool(level)
    return found


class Halves:
    """First halves of characters that wait for their second, by the text that they belong to."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[Any, ...], str] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def joined(self, key: tuple[Any, ...], text: str) -> str:
        """`text` with the half before it and without the one at its end."""
        text = self._waiting.pop(key, "") + text
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._waiting[key] = text[-1]
            text = text[:-1]
        return mended_text(text)

    def rest(self) -> list[tuple[Any, ...]]:
        """The texts that ended with a half: its other half does not come any more."""
        keys = list(self._waiting)
        self._waiting.clear()
        return keys


def mended_text(text: str) -> str:
    """`text` with U+FFFD in the place of each half of a character that stands alone."""
    if text.isascii() or not _HALF.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def mended(value: Any, keep: frozenset[str] = frozenset()) -> Any:
    """The same for a whole value, keys included, but for the texts named in `keep`."""
    return _mended(value, "", keep)


def _mended(value: Any, name: str, keep: frozenset[str]) -> Any:
    if isinstance(value, str):
        return value if name in keep else mended_text(value)
    if isinstance(value, Mapping):
        return {mended_text(k): _mended(inner, k, keep) for k, inner in paced(value.items())}
    if isinstance(value, list):
        return [_mended(inner, name, keep) for inner in paced(value)]
    return value


def _finite(digits: str) -> float:
    number = float(digits)
    if not -_MAX_DOUBLE <= number <= _MAX_DOUBLE:
        raise Unsound(f"it holds a number that no double can hold: {digits[:40]}")
    return number


def _whole(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        _finite(digits)
    return int(digits)


def _no_constant(name: str) -> float:
    raise Unsound(f"it holds {name}, which is not JSON")


_CONSTANT = re.compile(rb"NaN|-?Infinity")
_decode = JSONDecoder(parse_float=_finite, parse_int=_whole, parse_constant=_no_constant).raw_decode


def encoded_size(value: object) -> int:
    """How many bytes a value takes as JSON, written in steps."""
    return sum(map(len, json_parts(value)))
