"""What the programs say, one JSON object a line."""

from __future__ import annotations

import json
import sys


def say(**what: object) -> None:
    """In one write: tools may speak from threads of their own."""
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()
