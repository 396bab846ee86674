"""Processes under measurement: started on one core, watched through /proc, ended by their id.

Everything started here dies with the benchmark, also when that is killed.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

SERVER_CORE = 0
LOAD_CORE = 1
_TICKS = os.sysconf("SC_CLK_TCK")
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class StartFailed(Exception):
    """A process did not come up; the text ends with what it said."""


class Process:
    """One process and its children on one core."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        core: int,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        piped: bool = False,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else output,
                stderr=output,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                preexec_fn=lambda: _settle(core),
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    def cpu_seconds(self) -> float:
        """User and system time of the process, its children and those it has reaped."""
        return sum(_cpu_ticks(pid) for pid in self._tree()) / _TICKS

    def children(self) -> list[int]:
        """The ids of the processes that it and its children started."""
        return self._tree()[1:]

    def memory_kib(self) -> float:
        """Proportional set size of the process and its children: what they occupy in truth.
        Socket buffers are the kernel's and not in it."""
        return sum(_pss_kib(pid) for pid in self._tree())

    def wait_for(self, ready: Callable[[], bool], seconds: float = 30) -> None:
        """Poll until `ready()`; raises `StartFailed` when the process ends or time is up."""
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            if self.popen.poll() is not None:
                break
            if ready():
                return
            time.sleep(0.05)
        self.stop()
        raise StartFailed(f"{self.popen.args!r} did not start\n{self.log_tail()}")

    def wait_for_port(self, port: int) -> None:
        self.wait_for(lambda: _listens(port))

    def log_tail(self) -> str:
        return self.log.read_text()[-3000:]

    def stop(self) -> None:
        """End the process and its children at once: nothing of theirs is to be kept."""
        for pid in self._tree() if self.popen.poll() is None else ():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe:
                pipe.close()

    def _tree(self) -> list[int]:
        children: dict[int, list[int]] = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                fields = _stat(int(entry))
                if fields:
                    children.setdefault(int(fields[1]), []).append(int(entry))
        found = [self.pid]
        for pid in found:
            found += children.get(pid, [])
        return found


def file_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def raise_file_limit() -> int:
    """As many open files as allowed, for all processes started from now on; returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def _settle(core: int) -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.sched_setaffinity(0, {core})


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name: [state, parent, …]."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()


def _cpu_ticks(pid: int) -> int:
    fields = _stat(pid)
    return sum(int(ticks) for ticks in fields[11:15]) if fields else 0


def _pss_kib(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
