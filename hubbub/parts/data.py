"""The directory of one instance: Valkey's data and the logs, under a lock.

`.hubbub/<port>/` stays; an instance with `PORT=0` has no number to be found again by, so its
directory goes with it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from hubbub.parts.errors import CannotStart

LOCK_SECONDS = 5.0
"""How long Valkey may take to write the last bytes after its launcher was killed."""


class DataDirectory:
    """Taken until `close`, or until the last process that inherited `lock` has ended."""

    def __init__(self, root: Path, port: int) -> None:
        self.kept = port != 0
        self.path = root / (str(port) if port else f"any-{os.getpid()}")
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = (self.path / "lock").open("a+")
            _make_private(root, self.path)
        except OSError as error:
            raise CannotStart(
                f"nothing can be kept in {root} ({error.strerror}): start it as the owner of that "
                "folder, or take a copy of your own"
            ) from None
        self.lock = self._file.fileno()

    def take(self, pause: Callable[[float], None]) -> None:
        """Raises `CannotStart` when another instance has it; `pause(seconds)` may raise, too."""
        give_up = time.monotonic() + LOCK_SECONDS
        while not _locked(self.lock):
            if time.monotonic() > give_up:
                raise CannotStart(
                    f"{_whose(self._file)} has {self.path}: set PORT to another"
                ) from None
            pause(0.05)
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def last_lines(self, name: str) -> list[str]:
        """The end of the log `name`, nothing where there is none."""
        log = self.path / name
        text = log.read_text(errors="replace") if log.exists() else ""
        return [line for line in text.splitlines() if line.strip()][-20:]

    def close(self) -> None:
        self._file.close()
        if not self.kept:
            shutil.rmtree(self.path, ignore_errors=True)


def holder(root: Path, port: int) -> str:
    """Who has the directory of that port, in words; nothing where it is free."""
    try:
        with (root / str(port) / "lock").open("r") as file:
            return "" if _locked(file.fileno()) else _whose(file)
    except OSError:
        return ""


def _whose(lock: IO[str]) -> str:
    lock.seek(0)
    return f"another Hubbub of this folder, process {lock.read() or '?'},"


def _make_private(root: Path, path: Path) -> None:
    """Nobody else on the machine reads the prompts, also where an older version let them."""
    root.chmod(0o700)
    for place, folders, files in os.walk(path):
        os.chmod(place, 0o700)
        for name in folders:
            os.chmod(os.path.join(place, name), 0o700)
        for name in files:
            file = os.path.join(place, name)
            if not os.path.islink(file):
                os.chmod(file, 0o600)


def remove_abandoned(root: Path) -> None:
    """What instances with `PORT=0` left that were killed before they could clear up."""
    for place in root.glob("any-*"):
        try:
            with (place / "lock").open("r") as lock:
                if _locked(lock.fileno()):
                    shutil.rmtree(place, ignore_errors=True)
        except OSError:
            pass  # just being made, or just being removed


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
