"""Real processes under test: started on free ports, signalled and ended by their own ids.

Each is on a leash (`hubbub/parts/leash.py`): it ends when pytest does, however pytest ends. The
kernel watches the thread that started it, so one thread that stays starts them all.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from hubbub.parts.part import Part
from tests.support.deadline import eventually
from tests.support.real import ROOT

MEASURED = "COVERAGE_RUN" in os.environ
"""Whether this is `make coverage`."""

_STARTER = ThreadPoolExecutor(1, "starter")


class ReservedPort:
    """A free loopback port that nobody else is given while this object is open.

    Bound and not listening: a server that sets SO_REUSEADDR can still bind and listen, also again
    after a restart, and while none does, connections are refused as they should be.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]

    def close(self) -> None:
        self._socket.close()


class Process:
    """A program with its output in a file. `start` may be called again after it has ended."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log_path = log
        self.env = dict(os.environ if env is None else env)
        self.cwd = cwd
        self._part: Part | None = None
        self._paused = False

    @property
    def part(self) -> Part:
        assert self._part is not None, f"{self.name} was never started"
        return self._part

    @property
    def pid(self) -> int:
        return self.part.pid

    @property
    def running(self) -> bool:
        return self._part is not None and not self._part.ended()

    @property
    def code(self) -> int | None:
        """Its exit status once it has ended; negative for a signal."""
        return self.part.code if self.part.ended() else None

    def start(self) -> Process:
        assert not self.running, f"{self.name} runs already"
        self._part = _STARTER.submit(self._start).result()
        return self

    def _start(self) -> Part:
        with self.log_path.open("ab") as log:
            return Part(
                self.name,
                self.command,
                env=self.env,
                cwd=self.cwd,
                stdout=log,
                stderr=subprocess.STDOUT,
                death_signal=signal.SIGKILL,
            )

    def wait(self, within_seconds: float = 15.0) -> int:
        """Its exit status; fails when it does not end in time."""
        eventually(self.part.ended, within_seconds)
        assert self.part.code is not None
        return self.part.code

    def signal(self, number: int) -> None:
        """To this process alone, not to its children."""
        os.kill(self.pid, number)

    def terminate(self, within_seconds: float = 15.0) -> int:
        """SIGTERM, then wait. Its exit status."""
        self.resume()
        self.part.terminate()
        return self.wait(within_seconds)

    def kill(self) -> None:
        """SIGKILL to it and to all that it started."""
        self.part.kill()
        self.wait()

    def pause(self) -> None:
        """SIGSTOP to it and its children: alive to the kernel, silent to everybody."""
        self._paused = True
        self.part.signal_group(signal.SIGSTOP)

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self.part.signal_group(signal.SIGCONT)

    def end(self) -> None:
        """Whatever it is doing, it is over. For fixtures."""
        if self.running and MEASURED:  # what a process has run through it says when it ends
            with suppress(AssertionError):
                self.terminate(within_seconds=5)
        if self.running:
            self.kill()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
