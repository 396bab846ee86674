"""What every asker in Python shares: its orders, its two tools, and what it says of a failure."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from tests.clients.programs.say import say

HUB, FACE = sys.argv[1:]
BASE_URL = f"{HUB}/v1"
KEY = os.environ.get("HUB_TOKEN") or "no key is asked"
MODEL = "scripted"
HEADERS = {"Hubbub-Cancel-On-Disconnect": "1"}
"""To leave is to cancel, for these programs."""

Thing = Callable[[str], object]


def weather(city: str) -> str:
    """The weather in a city."""
    say(tool="weather", arguments={"city": city})
    return f"sunny in {city}"


def clock(zone: str) -> str:
    """The time in a zone."""
    say(tool="clock", arguments={"zone": zone})
    return f"noon in {zone}"


def serve(**things: Thing) -> None:
    """Do what the input says until it ends."""
    for line in sys.stdin:
        order = json.loads(line)
        try:
            things[order["do"]](order["prompt"])
        except Exception as error:
            say(**_told(error))
        say(done=True)


def _told(error: BaseException) -> dict[str, Any]:
    """Libraries wrap the official package's errors: what the innermost ones say counts, too."""
    found: dict[str, Any] = {"error": type(error).__name__, "words": ""}
    cause: BaseException | None = error
    while cause is not None:
        found["words"] += f"{cause} {getattr(cause, 'body', '')} "
        response = getattr(cause, "response", None)
        told = {
            "status": getattr(cause, "status_code", None),
            "code": getattr(cause, "code", None),
            "param": getattr(cause, "param", None),
            "retry_after": getattr(response, "headers", {}).get("retry-after"),
        }
        found |= {name: value for name, value in told.items() if value and name not in found}
        cause = cause.__cause__ or cause.__context__
    return found
