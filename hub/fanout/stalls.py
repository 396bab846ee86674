"""Which listeners accept nothing any more.

That a full socket has room again, the kernel says only when much of its buffer is free: some
hundred kilobytes, or megabytes. A listener that reads little at a time would seem to accept nothing
for minutes. So each transport is asked what its client has accepted (`Transport.progress`), `LOOKS`
times in `HUB_LISTENER_STALL_SECONDS`, and a listener that at every look was owed bytes and had
accepted none since the look before is stalled. So is one whose host has vanished.

Looks are counted and not seconds: a process that was stopped for a while has not looked. A look at
a socket is one call of the kernel's, 2 µs with all that belongs to it; what a listener is sent
costs nothing more.
"""

from __future__ import annotations

from collections.abc import Hashable

from hub.fanout.listener import Listener

LOOKS = 6


class Stalls:
    def __init__(self) -> None:
        self._owed: dict[Listener, tuple[Hashable, int]] = {}
        """Those that were owed bytes at the last look: their progress, and how many looks ago it
        was another."""

    def look(self, listener: Listener) -> bool:
        """Whether it has stalled."""
        progress = listener.progress()
        if progress is None:
            self._owed.pop(listener, None)
            return False
        before, looks = self._owed.get(listener, (None, 0))
        looks = looks + 1 if progress == before else 0
        self._owed[listener] = progress, looks
        return looks >= LOOKS

    def forget(self, listener: Listener) -> None:
        self._owed.pop(listener, None)
