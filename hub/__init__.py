"""Channels, history and fan-out. Has never heard of language models.

`from hub import Hub` is for programs that publish and listen, `from hub import Hubbub` for a Flask
application with users and routes of its own. Both are looked up only when they are asked for:
gunicorn imports modules of this package before gevent has patched the process, and Redis' client
must not come in with them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub.client.hub import Hub
    from hubbub.extension import Hubbub

__all__ = ["Hub", "Hubbub"]

_WHERE = {"Hub": "hub.client.hub", "Hubbub": "hubbub.extension"}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'hub' has no attribute {name!r}")
