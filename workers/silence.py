"""Which producers have been silent for too long (contract §4: for three leases).

A generation that its creator answers has no job and no worker. In the place of a worker's lease it
has the time when its producer was last heard, by Redis' clock; the process that asks `lost` may end
those that are silent, in a worker or in a web process.
"""

from __future__ import annotations

from hub.store.redis_link import RedisLink
from hub.store.script import Script
from workers.generation import Terminal

LEASES = 3
PRODUCER_LOST = "producer-lost"
_KEPT_SECONDS = 90 * 86_400
_AT_ONCE = 500

_HEARD = Script.load("workers", "heard")


class Silence:
    def __init__(self, link: RedisLink, lease_seconds: float) -> None:
        self._link = link
        self._key = link.keys.key("generations", "heard")
        self.report_seconds = lease_seconds / 5
        """A producer that talks all the time is noted so often."""
        self.patience_seconds = LEASES * lease_seconds
        self._lost_ms = int((self.patience_seconds + self.report_seconds) * 1000)

    def heard(self, generation_id: str) -> None:
        """Raises `RedisUnavailable`."""
        self._run(generation_id, "")

    def begin(self, generation_id: str) -> None:
        """The same for one that may never have been heard: else nothing changes."""
        self._run(generation_id, "1")

    def lost(self) -> list[str]:
        """The generations whose producers are silent for too long, a few hundred at a time."""
        return self._run("", "")

    def forget(self, generation_id: str) -> None:
        self._link.call(lambda client: client.zrem(self._key, generation_id))

    def _run(self, generation_id: str, first: str) -> list[str]:
        args = [generation_id, first, self._lost_ms, _AT_ONCE, _KEPT_SECONDS]
        return [found.decode() for found in self._link.run(_HEARD, [self._key], args)]


def lost_for_good(seconds: float) -> Terminal:
    return Terminal.failed(
        PRODUCER_LOST, f"nothing came from its producer for {seconds:g} s", retryable=True
    )
