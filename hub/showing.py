"""What people may be shown: addresses without their passwords, text that moves no cursor.

Everything that is printed, logged or answered comes by here where it may hold either: settings that
are URLs, the words of libraries, and whatever others published.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from typing import TextIO

_USER_INFO = re.compile(r"(://[^\s/@:?#]*):[^\s/@?#]*@")
_IN_QUERY = re.compile(r"([?&](?:[a-z]+_)?password=)[^\s&#'\"]+")
_KEPT = frozenset("\n\t")


def without_passwords(text: str) -> str:
    """`text` with `***` for the password of every URL in it, also one in a query."""
    if "://" not in text:
        return text
    return _IN_QUERY.sub(r"\1***", _USER_INFO.sub(r"\1:***@", text))


def printable(text: str) -> str:
    """`text` with its control characters written out: an escape sequence in an event would move
    the cursor, colour or rename the terminal of the one who reads it. Line ends and tabs stay."""
    if text.isprintable():
        return text
    return "".join(char if char in _KEPT or char.isprintable() else _escaped(char) for char in text)


def say(text: str, *, end: str = "\n", to: TextIO | None = None) -> None:
    """Print to standard output, or `to`. A terminal gets printable text, a pipe the text itself."""
    out = to or sys.stdout
    print(printable(text) if out.isatty() else text, end=end, file=out, flush=True)


def _escaped(char: str) -> str:
    if unicodedata.category(char) in ("Zs", "Zl", "Zp", "Co", "Cn"):
        return char  # spaces and what fonts may know: strange, and harmless
    return char.encode("unicode_escape").decode()
