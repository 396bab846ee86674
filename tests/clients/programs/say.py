"""What the programs say, one JSON object a line."""

from __future__ import annotations

import json


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)
