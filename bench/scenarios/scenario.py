"""What the runner needs to know of a scenario."""

from __future__ import annotations

from typing import Any, Protocol

from bench.environment import Environment
from bench.peers.peer import Peer


class Scenario(Protocol):
    """`measure` returns figures by name (see `report.py` for their units) and `integrity`, the
    counts of what was missing, doubled or late, and in excess."""

    name: str
    title: str
    peers: tuple[str, ...]

    def measure(self, environment: Environment, peer: Peer) -> dict[str, Any]: ...
