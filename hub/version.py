"""Which version this is: its package's, where it was installed, and its source's own digest."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

try:
    VERSION = version("hubbub")
except PackageNotFoundError:
    VERSION = "(a checkout)"

_SOURCES = {".py", ".lua"}


def build(*packages: str) -> str:
    """`VERSION` and a digest of the source of `packages`, by which two checkouts of one version
    differ. Reads all of it: for a process that starts, not for a loop."""
    digest = hashlib.sha256()
    for name in packages:
        found = find_spec(name)
        folder = Path(found.origin).parent if found and found.origin else Path()
        for file in sorted(folder.rglob("*")):
            if file.suffix in _SOURCES:
                digest.update(f"{name}/{file.relative_to(folder)}\n".encode())
                digest.update(file.read_bytes())
    return f"{VERSION}+{digest.hexdigest()[:8]}"
