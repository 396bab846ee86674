"""A copy of the checkout, as somebody has it who has just cloned this."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support.real import ROOT, missing


def copy_checkout(place: Path) -> Path:
    """Put what is under version control, as it is here now, into the folder `place`."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        missing("git, or its checkout")
    for name in filter(None, names.decode().split("\0")):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    return place
