"""Where the pages' files are: at the top of a checkout, beside this module in an installed package
(`pyproject.toml` puts them there)."""

from __future__ import annotations

from pathlib import Path

_PACKAGED = Path(__file__).resolve().parent
_ROOT = _PACKAGED if (_PACKAGED / "templates").is_dir() else _PACKAGED.parents[1]

TEMPLATES = _ROOT / "templates"
STATIC = _ROOT / "static"
