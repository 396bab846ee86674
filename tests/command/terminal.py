"""A command at a terminal: what a person sees, and the keys that a person presses."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.deadline import deadline, patience

CTRL_C, CTRL_D = b"\x03", b"\x04"
PATIENCE_SECONDS = 30.0


class Terminal:
    """The terminal is the command's controlling one, so that keys become signals."""

    def __init__(self, command: Sequence[str], directory: Path, env: Mapping[str, str]) -> None:
        self._end, inner = pty.openpty()
        self.seen = ""
        # setsid makes the terminal that is opened next the controlling one.
        opener = 'exec setsid -c "$0" "$@"'
        self._process = subprocess.Popen(
            ["sh", "-c", opener, *command],
            cwd=directory,
            env={**env, "TERM": "xterm"},
            stdin=inner,
            stdout=inner,
            stderr=inner,
        )
        os.close(inner)

    def until(self, text: str) -> str:
        """Read on until `text` has been seen; all that was."""
        give_up = deadline(PATIENCE_SECONDS)
        while text not in self.seen:
            left = give_up - time.monotonic()
            assert left > 0 and self._read(left), f"no {text!r} in what was seen: {self.seen!r}"
        return self.seen

    def press(self, keys: bytes) -> None:
        os.write(self._end, keys)

    def status(self) -> int:
        """The exit status, once everything has been read."""
        give_up = deadline(PATIENCE_SECONDS)
        while self._read(max(0.0, give_up - time.monotonic())):
            assert time.monotonic() < give_up, f"it goes on; last seen: {self.seen[-500:]!r}"
        return self._process.wait(PATIENCE_SECONDS * patience())

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._end)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._end], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self._end, 65536)
        except OSError:  # nobody has the other end any more
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)
