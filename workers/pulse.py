"""A worker's sign of life: a file that it touches every second while its loop turns.

A worker serves nothing that could be asked. Whether it is at work says Redis (`/readyz`); whether
its process hangs must be known where Redis is away, too, or everything would be started again for
nothing. `hubbub.probe` reads it. The file's time is the machine's since it was started: the clock
on the wall may be put forward or back.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

from hub.fanout.loops import Loop

log = logging.getLogger(__name__)

SECONDS = 1.0


def beat_for_ever(name: str, loop: Loop) -> None:
    """A loop of the worker."""
    file, said = Path(name), False
    while True:
        try:
            file.touch()
            os.utime(file, (time.monotonic(), time.monotonic()))
            said = False
        except OSError as error:
            if not said:
                log.warning("HUB_PULSE_FILE cannot be written: %s", error.strerror)
            said = True
        loop.sleep(SECONDS)
