"""One process of the stack: started on a leash, in a group of its own, ended with all it started.

A group of its own, because Ctrl-C in a terminal goes to the whole foreground group: the launcher
alone must hear it, or the parts would all end at once and not in order.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

LEASH = Path(__file__).with_name("leash.py")


def leashed(command: Sequence[str], death_signal: int = signal.SIGTERM) -> list[str]:
    """`command`, to be started by this process and to end with it."""
    return [sys.executable, "-ES", str(LEASH), str(int(death_signal)), str(os.getpid()), *command]


class Part:
    """A running process. `name` is what the user is told about it."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
        pass_fds: Sequence[int] = (),
        death_signal: int = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.code: int | None = None
        self.process = subprocess.Popen(
            leashed(command, death_signal),
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=pass_fds,
            process_group=0,
        )
        self.pid = self.process.pid

    def ended(self) -> bool:
        """Whether it has ended; then nothing of its group is left either."""
        if self.code is not None:
            return True
        how = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if how is None:
            return False
        # Not reaped yet, so the group's number cannot have gone to anybody else.
        self.signal_group(signal.SIGKILL)
        self.code = self.process.wait()
        return True

    def terminate(self) -> None:
        if not self.ended():
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        if not self.ended():
            self.signal_group(signal.SIGKILL)

    def signal_group(self, number: int) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # macOS says EPERM of a group of zombies

    def how_it_ended(self) -> str:
        if self.code is None:
            return "runs"
        if self.code < 0:
            return f"was killed by {signal.Signals(-self.code).name}"
        return f"ended with status {self.code}"
