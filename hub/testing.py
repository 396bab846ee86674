"""`from hub.testing import answer_of`: try a generator without Redis, a worker or a web process.

It lives where generators do (`workers.generators.testing`); the hub itself knows none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workers.generators.testing import Answered, answer_of

__all__ = ["Answered", "answer_of"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("workers.generators.testing"), name)
    raise AttributeError(f"module 'hub.testing' has no attribute {name!r}")
