"""What an append or a deletion tells the subscribers of a channel, as `lua/` writes it."""

from __future__ import annotations

from dataclasses import dataclass

from hub.store.chunk import Chunk


@dataclass(frozen=True, slots=True)
class DeletionNotice:
    last: str
    deletions: int


def parse_announcement(payload: bytes) -> Chunk | DeletionNotice:
    head, _, data = payload.partition(b"\n")
    if head.startswith(b"E "):
        _, prev, last, count, n, published, ends = head.decode().split(" ")
        return Chunk(prev, last, int(count), int(n), data, int(published), ends == "1")
    _, last, deletions = head.decode().split(" ")
    return DeletionNotice(last, int(deletions))
