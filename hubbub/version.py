"""Which version this is, as its package says; a checkout has none."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("hubbub")
except PackageNotFoundError:
    VERSION = "(a checkout)"
