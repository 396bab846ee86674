"""How many files a web process must be able to open, and whether it may."""

from __future__ import annotations

import resource

from hub.settings import Settings

_HEADROOM = 1024


def connections(settings: Settings) -> int:
    """Those that it may have at once. The hub's own limits answer in words that EventSource
    understands; the server's and the kernel's must lie beyond, or the words are not reached."""
    return settings.max_listeners + 2 * settings.max_waiting + _HEADROOM


def wanted(settings: Settings) -> int:
    return connections(settings) + _HEADROOM


def shortage(settings: Settings) -> str:
    """What is wrong with this process's limit; '' where nothing is."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted(settings):
        return ""
    return (
        f"this process may open {soft} files, too few for HUB_MAX_LISTENERS="
        f"{settings.max_listeners}: raise the limit (ulimit -Hn {wanted(settings)}) or lower the "
        "setting"
    )
