"""Frames in memory: chunks as they were announced, and unbroken runs of them."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from itertools import islice

from hub import sse
from hub.channel import order, place
from hub.store.frame import Frame

_CHUNK_BYTES = 500
_FRAME_BYTES = 300
"""What a chunk, and each frame of one that was taken apart, take beside their data."""


class Chunk:
    """Frames that were stored in one step, and the place that they have in the chain. Taken apart
    only where somebody stopped in between."""

    __slots__ = ("_frames", "count", "data", "ends", "last", "n", "prev", "published_us")

    def __init__(
        self, prev: str, last: str, count: int, n: int, data: bytes, published_us: int, ends: bool
    ) -> None:
        self.prev = prev
        self.last = last
        self.count = count
        self.n = n
        self.data = data
        self.published_us = published_us
        self.ends = ends
        self._frames: list[Frame] | None = None

    @classmethod
    def of(cls, frames: list[Frame], end: str = "") -> Chunk:
        """A chunk of frames that follow each other; `end` is the channel's terminal id."""
        last = frames[-1]
        data = b"".join([frame.data for frame in frames])
        chunk = cls(frames[0].prev, last.id, len(frames), last.n, data, 0, last.id == end)
        if len(frames) > 1:
            chunk._frames = frames
        return chunk

    def frames(self) -> list[Frame]:
        if self.count == 1:  # its id may be the publisher's own, so it is not read from there
            return [Frame(self.last, self.prev, self.n, self.data)]
        if self._frames is None:
            self._frames = self._split()
        return self._frames

    @property
    def most_bytes(self) -> int:
        """What it takes in memory at most: as if it were taken apart, where it can be."""
        if self.count == 1:
            return _CHUNK_BYTES + len(self.data)
        return _CHUNK_BYTES + 2 * len(self.data) + _FRAME_BYTES * self.count

    def after(self, position: str) -> Chunk | None:
        """What remains behind `position`, which lies within; None where it is not one of ours."""
        frames = self.frames()
        for i, frame in enumerate(frames[:-1], 1):
            if frame.id == position:
                rest = Chunk.of(frames[i:])
                rest.ends = self.ends
                rest.published_us = self.published_us
                return rest
        return None

    def _split(self) -> list[Frame]:
        frames, prev = [], self.prev
        n = self.n - self.count
        for data in sse.split_frames(self.data):
            n += 1
            frames.append(Frame(sse.frame_id(data), prev, n, data))
            prev = frames[-1].id
        return frames


class Segment:
    """An unbroken run of chunks: each begins where the one before it ends."""

    def __init__(self, chunks: Iterable[Chunk] = ()) -> None:
        self._chunks: deque[Chunk] = deque()
        self._number: dict[str, int] = {}
        self._dropped = 0
        self._bytes = 0
        for chunk in chunks:
            self.append(chunk)

    def append(self, chunk: Chunk) -> None:
        self._number[chunk.last] = self._dropped + len(self._chunks)
        self._chunks.append(chunk)
        self._bytes += chunk.most_bytes

    def trim(self, size: int) -> None:
        """Forget the oldest chunks until what is left takes at most `size` bytes, the objects
        included: of small events they are the greater part."""
        while self._bytes > size:
            self._drop_first()

    def clear(self) -> None:
        while self._chunks:
            self._drop_first()

    @property
    def start(self) -> str | None:
        """The position from which this segment can replay everything it has."""
        return self._chunks[0].prev if self._chunks else None

    def after(self, position: str, size: int) -> list[Chunk] | None:
        """About `size` bytes of chunks behind `position`; None where it does not lie in here.

        The list is empty where `position` is the segment's end.
        """
        number = self._number.get(position)
        found: list[Chunk] = []
        if number is not None:
            at = number + 1 - self._dropped
        elif position == self.start:
            at = 0
        else:
            at = self._holding(position)
            part = self._chunks[at].after(position) if at >= 0 else None
            if part is None:
                return None
            found.append(part)
            size -= len(part.data)
            at += 1
        for chunk in islice(self._chunks, at, None):
            if size <= 0:
                break
            found.append(chunk)
            size -= len(chunk.data)
        return found

    def count_to(self, position: str) -> int | None:
        """How many events the channel had up to `position`, where it lies in here."""
        number = self._number.get(position)
        if number is not None:
            return self._chunks[number - self._dropped].n
        if position == self.start:
            return self._chunks[0].n - self._chunks[0].count
        at = self._holding(position)
        if at < 0:
            return None
        return next((f.n for f in self._chunks[at].frames() if f.id == position), None)

    def _drop_first(self) -> None:
        chunk = self._chunks.popleft()
        del self._number[chunk.last]
        self._dropped += 1
        self._bytes -= chunk.most_bytes

    def _holding(self, position: str) -> int:
        """The index of the chunk that `position` would lie in, or -1."""
        wanted = order(position)
        if wanted is None or not self._chunks:
            return -1
        at = bisect_right(self._chunks, wanted, key=lambda chunk: place(chunk.last))
        if at == len(self._chunks) or wanted <= place(self._chunks[at].prev):
            return -1
        return at
