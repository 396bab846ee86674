"""The door by which a provider's JSON comes in: what is behind it is sound, whoever reads it.

    value = read(data)           # raises NotJson, Unsound
    if is_torn(data):            # some of its texts may begin or end with half a character
        value = mended(value)
    checked(value, data)         # raises Unsound: nested too deeply to be passed on

What is checked, once, and why:

| what | because | becomes |
| --- | --- | --- |
| bytes that are not UTF-8 | nothing behind could encode them | U+FFFD |
| half of a surrogate pair (`"\\ud83d"`), in keys, too | the same | U+FFFD, but see below |
| `NaN`, `Infinity`, `1e999` | no JSON, and no reader's parser takes them | `Unsound` |
| nesting beyond `MAX_DEPTH` | readers recurse, and theirs is not our stack | `Unsound` |

A server that cuts its text by UTF-16 units sends the halves of a character in two deltas. So texts
that are concatenated (`TEXTS`) keep halves at their ends, and `Halves` joins them.

A chunk without `\\u` and without a structure that travels costs one search of its bytes here: this
runs for every delta.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from json.decoder import JSONDecoder
from typing import Any

MAX_DEPTH = 64
MAX_SHORT_CHARS = 65_536
"""Of an id, a name, a reason: some carry a signature in them, none a text."""
TEXTS = frozenset(
    {"content", "reasoning", "reasoning_content", "refusal", "text", "arguments", "input"}
)
"""Members whose text goes on in the next delta, and so may be cut within a character."""

_MAX_DOUBLE = sys.float_info.max
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


def is_torn(data: bytes) -> bool:
    """Whether a string in this JSON holds half a surrogate pair."""
    return b"\\u" in data and _ESCAPED_HALF.search(data) is not None


def checked(value: Any, data: bytes) -> Any:
    """`value`, which came in `data` and is passed on as it is. Raises `Unsound`."""
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and depth(value) > MAX_DEPTH:
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
        return {mended_text(key): _mended(inner, key, keep) for key, inner in value.items()}
    if isinstance(value, list):
        return [_mended(inner, name, keep) for inner in value]
    return value


def _finite(digits: str) -> float:
    number = float(digits)
    if not -_MAX_DOUBLE <= number <= _MAX_DOUBLE:
        raise Unsound(f"it holds a number that no double can hold: {digits[:40]}")
    return number


def _no_constant(name: str) -> float:
    raise Unsound(f"it holds {name}, which is not JSON")


_decode = JSONDecoder(parse_float=_finite, parse_constant=_no_constant).raw_decode


def encoded_size(value: object) -> int:
    """How many characters a value takes as JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
