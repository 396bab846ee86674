"""An earlier version of the hub, as it was: what a rolling deploy has beside the new one.

`c999d69.tar.xz` holds the source of that commit, the one before appends without a producer
(`git archive c999d69 app.py gunicorn.conf.py hub workers hubbub | xz -9e`). It is kept as a file
because a shallow clone, or one without git, has no earlier commits.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

EARLIER = Path(__file__).with_name("c999d69.tar.xz")


def unpack(place: Path) -> Path:
    """The earlier version's checkout, in `place`."""
    with tarfile.open(EARLIER) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(place)
    return place
