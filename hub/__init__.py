"""Channels, history and fan-out. Has never heard of language models.

`from hub import Hub` is for programs that publish and listen. It is looked up only when it is asked
for: gunicorn imports modules of this package before gevent has patched the process, and Redis'
client must not come in with them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub.client.hub import Hub

__all__ = ["Hub"]


def __getattr__(name: str) -> Any:
    if name == "Hub":
        return import_module("hub.client.hub").Hub
    raise AttributeError(f"module 'hub' has no attribute {name!r}")
