"""`python -m hubbub.probe web|worker`: is the process of this container alive?

For a container's health check: its status is 0 or 1, and it says why. It reads the environment that
the process itself has. A web process is asked over loopback, past any proxy; of a worker it looks
at the sign of life (`workers/pulse.py`).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hub.settings import Settings
from hubbub.parts import address

SILENT_SECONDS = 15.0
"""A worker that has not touched its file for so long hangs."""


def main(arguments: Sequence[str]) -> int:
    settings = Settings.from_environ(os.environ)
    if list(arguments) == ["web"]:
        problem = of_web(settings)
    elif list(arguments) == ["worker"]:
        problem = of_worker(settings)
    else:
        problem = "say web or worker"
    if problem:
        print(problem, file=sys.stderr)
    return 1 if problem else 0


def of_web(settings: Settings) -> str:
    """Why the web process does not seem to live; '' where it does."""
    status, said = address.ask(address.reachable(settings.host, settings.port), "/healthz")
    return "" if status == 200 else said


def of_worker(settings: Settings) -> str:
    """The same of a worker."""
    if settings.pulse_file is None:
        return "HUB_PULSE_FILE is not set"
    try:
        silent = time.monotonic() - Path(settings.pulse_file).stat().st_mtime
    except OSError as error:
        return f"{settings.pulse_file}: {error.strerror}"
    return f"no sign of life for {silent:.0f} s" if silent > SILENT_SECONDS else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
