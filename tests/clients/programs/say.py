"""What the programs say, one JSON object a line, and what they show."""

from __future__ import annotations

import json
import os
import sys

TOKEN = os.environ.get("HUB_TOKEN", "")
SHOWN = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}
"""Where the hub has keys."""


def say(**what: object) -> None:
    """In one write: tools may speak from threads of their own."""
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()
