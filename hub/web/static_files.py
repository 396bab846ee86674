"""The files of `/static`: each read and compressed once, and asked for again with its ETag.

A page loads its modules as they are written, without a build; compressed they are a quarter of
their size, and a third of that again were comments and indentation, which stay here. Every line
keeps its number. A stream is never compressed, and neither is an answer that may hold a secret.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from flask import Response, request

_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}

_UNSAID = re.compile(r"^[ \t]*(?:/\*(?:(?!\*/)[\s\S])*\*/[ \t]*$|//[^\n]*$|)", re.MULTILINE)
"""A comment that has its lines to itself, or what a line is indented by."""
_VENDOR = "vendor"
"""Other people's files go out as they are."""


def packed(page: Response) -> Response:
    """A page, compressed for those who can read it. There is no secret in one, and nothing that a
    request says but a generation's id: its size tells nothing."""
    page.vary.add("Accept-Encoding")
    if _takes_gzip() and "Content-Encoding" not in page.headers:
        page.set_data(gzip.compress(page.get_data(), 9, mtime=0))
        page.headers["Content-Encoding"] = "gzip"
    return page


@dataclass(frozen=True, slots=True)
class _File:
    modified_ns: int
    etag: str
    content_type: str
    plain: bytes
    packed: bytes


class StaticFiles:
    """The files below `root`, of the types that a page loads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read: dict[Path, _File] = {}

    def answer(self, name: str) -> Response | None:
        """The current request's answer; None where there is no such file."""
        file = self._file(name)
        if file is None:
            return None
        gzipped = _takes_gzip()
        answer = Response(file.packed if gzipped else file.plain, content_type=file.content_type)
        answer.vary.add("Accept-Encoding")
        if gzipped:
            answer.headers["Content-Encoding"] = "gzip"
        answer.set_etag(f"{file.etag}-gzip" if gzipped else file.etag)
        answer.make_conditional(request)
        return answer

    def _file(self, name: str) -> _File | None:
        try:
            path = (self._root / name).resolve()
        except ValueError:
            return None  # a name with a NUL
        content_type = _TYPES.get(path.suffix)
        if content_type is None or not path.is_relative_to(self._root.resolve()):
            return None
        try:
            modified_ns = path.stat().st_mtime_ns
            known = self._read.get(path)  # not by its name: a file has many, `x/../hubbub.js`
            if known is None or known.modified_ns != modified_ns:
                plain = path.read_bytes()
                if path.suffix == ".js" and _VENDOR not in path.parts:
                    plain = _UNSAID.sub(_line_ends, plain.decode()).encode()
                known = self._read[path] = _File(
                    modified_ns,
                    sha256(plain).hexdigest()[:20],
                    content_type,
                    plain,
                    gzip.compress(plain, 9, mtime=0),
                )
            return known
        except (OSError, ValueError):
            return None


def _line_ends(found: re.Match[str]) -> str:
    return "\n" * found[0].count("\n")


def _takes_gzip() -> bool:
    return request.accept_encodings["gzip"] > 0
