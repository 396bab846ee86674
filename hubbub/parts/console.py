"""What the launcher tells the user: as text for a terminal, or as JSON lines (`HUB_LOG_FORMAT`)."""

from __future__ import annotations

import sys
from typing import TextIO

from hub import logs


class Console:
    def __init__(self, log_format: str) -> None:
        self._json = log_format == "json"

    def say(self, *lines: str) -> None:
        self._write(sys.stdout, "INFO", *lines)

    def complain(self, line: str) -> None:
        self._write(sys.stderr, "ERROR", line if self._json else f"hubbub: {line}")

    def _write(self, stream: TextIO, level: str, *lines: str) -> None:
        """That nobody reads it is no reason to fail."""
        if self._json:
            words = (" ".join(line.split()) for line in "\n".join(lines).splitlines())
            lines = tuple(logs.json_line(level, "hubbub", text) for text in words if text)
        try:
            print(*lines, sep="\n", file=stream, flush=True)
        except OSError:
            pass
