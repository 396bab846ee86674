"""What an append or a deletion tells the subscribers of a channel, as `lua/` writes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)  # not frozen: that would take as long as everything else about it
class Announcement:
    """What `append` told the subscribers: frames, and the place they have in the chain."""

    prev: str
    last: str
    count: int
    n: int
    published_us: int
    ends: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class DeletionNotice:
    last: str
    deletions: int


def parse_announcement(payload: bytes) -> Announcement | DeletionNotice:
    head, _, data = payload.partition(b"\n")
    if head.startswith(b"E "):
        _, prev, last, count, n, published, ends = head.decode().split(" ")
        return Announcement(prev, last, int(count), int(n), int(published), ends == "1", data)
    _, last, deletions = head.decode().split(" ")
    return DeletionNotice(last, int(deletions))
