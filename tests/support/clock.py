"""A machine's clock that a test puts forward and back while the machine runs .

Only the clock on the wall moves. The monotonic one, on which periods are measured, goes on.
Redis' is put by libfaketime; under it Python's own `time.sleep` fails, so for Python a module that
is imported at each start puts `time.time`.
"""

from __future__ import annotations

from pathlib import Path

from tests.support.real import missing

_PYTHON_S = """
import time

def put(true=time.time):
    with open({file!r}) as file:
        return true() + float(file.read())

time.time = put
"""


class WallClock:
    """`redis_env` and `python_env` are for the processes of the machine."""

    def __init__(self, directory: Path) -> None:
        library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
        if library is None:
            missing("libfaketime (.ci/proxies)")
        self._file = directory / "clock"
        self.put(0)
        (directory / "sitecustomize.py").write_text(_PYTHON_S.format(file=str(self._file)))
        self.python_env = {"PYTHONPATH": str(directory)}
        self.redis_env = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def put(self, seconds: int) -> None:
        """So far from the true time."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}")
        new.replace(self._file)
