"""Where this Hubbub stands: in a checkout, or installed as a package.

Both have the three packages side by side. A checkout keeps what belongs to it inside itself; an
installed one must not write beside its code, so it uses the folder that it is started in.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

PACKAGES = Path(__file__).resolve().parents[1]
"""The folder of `hub`, `workers` and `hubbub`."""

IN_CHECKOUT = (PACKAGES / "pyproject.toml").is_file()


def home() -> Path:
    """The folder that the launcher's data go into, as `.hubbub/`."""
    return PACKAGES if IN_CHECKOUT else Path.cwd()


def environ(given: Mapping[str, str]) -> dict[str, str]:
    """`given` for a process that must find the packages, whatever folder it is started in."""
    if not IN_CHECKOUT:
        return dict(given)
    path = [str(PACKAGES), *filter(None, [given.get("PYTHONPATH")])]
    return {**given, "PYTHONPATH": os.pathsep.join(path)}
