"""The indexes of generations in Redis: all, each owner's, and those that may not have ended yet.

They say which generations there are and no more: what a generation is stands in its record, which
comes behind them and may be gone before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.errors import KeyReused, TooMany
from hub.store.history import IDEMPOTENCY_SECONDS, IdempotencyKey
from hub.store.keys import digest
from hub.store.redis_link import RedisLink
from hub.store.script import Script
from workers.generation import Generation

_TAG = "generations"
_BUSY_SECONDS = 5
_REUSED = "this Idempotency-Key came with another body before"

_CREATE = Script.load("workers", "create")

Listed = Sequence[tuple[str, float]]
"""Ids and when they were created, in milliseconds."""


@dataclass(frozen=True, slots=True)
class Running:
    """How many generations may run at once of those that are counted as `whose`; 0: any number."""

    whose: str
    most: int


UNLIMITED = Running("", 0)


class Indexes:
    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._all, self._open = link.keys.key(_TAG, "index"), link.keys.key(_TAG, "open")

    def note(
        self,
        generation: Generation,
        key: IdempotencyKey | None,
        running: Running,
        keep_seconds: int,
    ) -> str | None:
        """Note a new generation; the id of another that `key` has made, and then nothing is noted.
        `keep_seconds`: so long its record may live. Raises `KeyReused`, `TooMany`."""
        keys = [
            self._all,
            self._open,
            self._of(generation.owner),
            self._once(key),
            self._link.keys.key(_TAG, f"running:{digest(running.whose)}"),
        ]
        args = [
            generation.id,
            generation.created_ms,
            key.body_hash if key else "",
            IDEMPOTENCY_SECONDS,
            generation.created_ms - keep_seconds * 1000,
            keep_seconds,
            running.most,
        ]
        found = self._link.run(_CREATE, keys, args, durable=True)
        if not found:
            return None
        if found[0] == b"busy":
            raise TooMany(
                f"at most {running.most} generations at once: wait until one has ended",
                code="too-many-running",
                headers={"Retry-After": str(_BUSY_SECONDS)},
            )
        return None if key is None else _made(key, *found)

    def earlier(self, key: IdempotencyKey) -> str | None:
        """The id of the generation that this key has made. Raises `KeyReused`."""
        found = self._link.call(lambda client: client.get(self._once(key)))
        return _made(key, *found.split(b" ", 1)) if found else None

    def newest(self, owner: str, at: int, count: int) -> Listed:
        """Those of one owner, or of all ('')."""
        return self._page(self._of(owner), at, count, newest_first=True)

    def open_ones(self, at: int, count: int) -> Listed:
        """Those that may not have ended yet, the oldest first."""
        return self._page(self._open, at, count, newest_first=False)

    def close(self, generation_id: str) -> None:
        """It has ended: the sweep need not look at it any more."""
        self._remove(self._open, generation_id)

    def forget(self, generation_id: str, owner: str) -> None:
        for index in (self._open, self._all, self._of(owner)):
            self._remove(index, generation_id)

    def _page(self, index: str, at: int, count: int, *, newest_first: bool) -> Listed:
        found = self._link.call(
            lambda client: client.zrange(
                index, at, at + count - 1, desc=newest_first, withscores=True
            )
        )
        return [(generation_id.decode(), created_ms) for generation_id, created_ms in found]

    def _remove(self, index: str, generation_id: str) -> None:
        self._link.call(lambda client: client.zrem(index, generation_id))

    def _of(self, owner: str) -> str:
        return self._link.keys.key(_TAG, f"of:{digest(owner)}") if owner else self._all

    def _once(self, key: IdempotencyKey | None) -> str:
        return self._link.keys.key(_TAG, f"once:{key.key if key else ''}")


def _made(key: IdempotencyKey, body_hash: bytes, generation_id: bytes) -> str:
    if body_hash.decode() != key.body_hash:
        raise KeyReused(_REUSED)
    return generation_id.decode()
