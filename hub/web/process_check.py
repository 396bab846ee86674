"""What is wrong with this process and tolerated all the same (`/readyz`, `hubbub doctor`)."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from gevent import monkey

from hub import open_files
from hub.settings import Settings

_OURS = ("gevent", "ssl")


def process_warnings(settings: Settings) -> Iterator[str]:
    if shortage := open_files.shortage(settings):
        yield shortage
    if holders := half_patched():
        yield (
            f"this process is half patched: {', '.join(holders)} came before gevent, and calls to "
            "what it asks over TLS may fail"
        )
    if settings.grace_seconds < 1:
        yield (
            f"with HUB_GRACE_SECONDS={settings.grace_seconds:g} all listeners come back in one "
            "instant when a process stops"
        )


def half_patched() -> list[str]:
    """The packages that were imported before gevent patched the process, and hold the `ssl` of
    before: then each call on a context recurses until Python gives up, or blocks the loop."""
    original = monkey.saved.get("ssl", {}).get("SSLContext")
    if original is None:
        return []
    return sorted(
        {
            name.partition(".")[0]
            for name, module in list(sys.modules.items())
            if getattr(module, "__dict__", {}).get("SSLContext") is original
            and name.partition(".")[0] not in _OURS
        }
    )
