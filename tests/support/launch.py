"""The one-command stack as a process under test.

What runs of it is found in the process table in two ways, so that nothing can hide: by a mark in
the environment that all descendants inherit, wherever they have gone, and by having once been seen
below it (Valkey writes its title over its environment).
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from uuid import uuid4

from tests.support.deadline import eventually, patience
from tests.support.process import Process
from tests.support.real import ROOT
from tests.support.stack import clean_environ, descendants

BY_MAKE = ("make", "--no-print-directory", "run", f"VENV={sys.prefix}", "RUN=", "MODEL=")
"""`make run` in the environment that the tests run in, which has everything installed."""

BY_PYTHON = (sys.executable, "app.py")
_MARK = "TESTS_MARK"


class Launched(Process):
    def __init__(
        self,
        log: Path,
        env: Mapping[str, str],
        command: Sequence[str] = BY_MAKE,
        cwd: Path = ROOT,
    ) -> None:
        self.mark = uuid4().hex
        self._seen: dict[int, str] = {}
        settings = {"PORT": "0", "HUB_GRACE_SECONDS": "1", **env}
        whole = {**clean_environ(), "PYTHONUNBUFFERED": "1", **settings, _MARK: self.mark}
        super().__init__("launcher", command, log, env=whole, cwd=cwd)

    def start(self) -> Launched:
        """Start it and wait until it says that all is ready."""
        self.log_path.unlink(missing_ok=True)
        super().start()
        return self

    def ready(self, within_seconds: float = 40.0) -> Launched:
        eventually(
            lambda: "Ctrl-C ends everything" in self.log() or not self.running, within_seconds
        )
        assert self.running, f"it ended:\n{self.log()}"
        return self

    @property
    def url(self) -> str:
        return self._said(r"ready:\s+(http://\S+)")

    @property
    def redis_url(self) -> str:
        return self._said(r"REDIS_URL=(\S+)")

    def _said(self, pattern: str) -> str:
        found = re.search(pattern, self.log())
        assert found, self.log()
        return found[1]

    def processes(self) -> dict[int, str]:
        """What runs of it now: process ids and command lines. Zombies run no more.

        Only looks: `running` would end the group of a process that has ended.
        """
        found = {}
        below = {self.pid, *descendants(self.pid)} if self.part.code is None else set()
        for place in Path("/proc").glob("[0-9]*"):
            pid = int(place.name)
            try:
                state, *fields = (place / "stat").read_text().rpartition(")")[2].split()
                started = fields[18]  # a number that was given away again is another process
                if (
                    pid in below or self._seen.get(pid) == started or self._marked(place)
                ) and state != "Z":
                    self._seen[pid] = started
                    found[pid] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                pass  # gone
        return found

    def _marked(self, place: Path) -> bool:
        try:
            environ = (place / "environ").read_bytes().split(b"\0")
        except PermissionError:
            return False  # somebody else's
        return f"{_MARK}={self.mark}".encode() in environ

    def pid_of(self, part: str) -> int:
        """The process of a part, by what its command line says; gunicorn's master, not its
        workers."""
        words = {
            "launcher": "app.py",
            "valkey": "unixsocket:",
            "model": "local_model.py",
            "worker": "hubbub worker",
            "web": "hubbub web",
        }
        return min(pid for pid, line in self.processes().items() if words[part] in line)

    def runs(self, part: str) -> bool:
        try:
            return self.pid_of(part) > 0
        except ValueError:
            return False

    def nothing_is_left(self, within_seconds: float = 10.0) -> None:
        eventually(lambda: not self.processes(), within_seconds)

    def end(self) -> None:
        if self._part is not None:
            self.processes()
            super().end()
            self.nothing_is_left()


class Launches:
    """Starts them in one directory for logs, and ends them all."""

    def __init__(self, directory: Path, processes: list[Process]) -> None:
        self._directory = directory
        self._processes = processes
        self._number = count()

    def __call__(
        self, env: Mapping[str, str], command: Sequence[str] = BY_MAKE, cwd: Path = ROOT
    ) -> Launched:
        log = self._directory / f"launcher{next(self._number)}.log"
        launched = Launched(log, env, command, cwd)
        self._processes.append(launched)
        launched.start()
        return launched


def refusal(env: Mapping[str, str], command: Sequence[str], folder: Path = ROOT) -> tuple[int, str]:
    """Run a command that is expected to end by itself: its status and what it printed."""
    done = subprocess.run(
        command,
        env={**clean_environ(), **env},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30 * patience(),
    )
    return done.returncode, done.stdout


def interrupt_as_a_terminal_does(launched: Launched) -> None:
    """Ctrl-C: SIGINT to the whole foreground group."""
    launched.part.signal_group(signal.SIGINT)
