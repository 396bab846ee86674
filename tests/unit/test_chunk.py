"""Frames in memory, and how a short write takes them apart."""

from __future__ import annotations

import tracemalloc
from random import Random

import pytest

from hub import sse
from hub.event import Event
from hub.fanout.rendering import Envelope, Item, Listed, Plain, Rendering, cut
from hub.store.announcement import parse_announcement
from hub.store.chunk import Chunk, Segment
from hub.store.frame import Frame


class Model:
    """A channel's frames as a plain list, and the chunks that they were announced in."""

    def __init__(self, seed: int, chunks: int = 30, first: int = 1000) -> None:
        self.random = Random(seed)
        self.frames: list[Frame] = []
        self.chunks: list[Chunk] = []
        prev = "0-0"
        for _ in range(chunks):
            first += self.random.randint(1, 3)
            frames: list[Frame] = []
            for seq in range(self.random.choice([1, 1, 1, 2, 5])):
                event_id = f"{first}-{seq}"
                text = "x" * self.random.choice([0, 5, 90]) + "\n" * self.random.randint(0, 1)
                data = sse.encode(Event(text), event_id)
                frames.append(Frame(event_id, prev, len(self.frames) + len(frames) + 1, data))
                prev = event_id
            self.frames += frames
            self.chunks.append(self._chunk(frames))

    def _chunk(self, frames: list[Frame]) -> Chunk:
        if self.random.random() < 0.5:
            return Chunk.of(frames)
        last, data = frames[-1], b"".join(frame.data for frame in frames)
        return Chunk(frames[0].prev, last.id, len(frames), last.n, data, 0, False)


@pytest.mark.parametrize("seed", range(10))
def test_a_segment_replays_from_every_position_that_it_holds_and_from_no_other(seed: int) -> None:
    model = Model(seed)
    segment = Segment(model.chunks)
    segment.trim(model.random.randint(0, sum(chunk.most_bytes for chunk in model.chunks)))
    began = [frame.prev for frame in model.frames].index(segment.start) if segment.start else None
    held = model.frames[began:] if began is not None else []
    size = model.random.choice([1, 100, 1000])
    for frame in model.frames:
        found = segment.after(frame.prev, size)
        if frame not in held:
            assert found is None
            assert segment.count_to(frame.prev) is None
            continue
        assert segment.count_to(frame.prev) == frame.n - 1
        got = [one for chunk in found or [] for one in chunk.frames()]
        begin = model.frames.index(frame)
        assert [one.id for one in got] == [f.id for f in model.frames[begin : begin + len(got)]]
        assert b"".join(chunk.data for chunk in found or []) == b"".join(one.data for one in got)
        assert sum(len(one.data) for one in got) >= min(size, len(_from(model, frame)))
    for stranger in ("0-1", "999-0", "1000-9", "99999-0", "nonsense", ""):
        assert segment.after(stranger, size) is None
    if held:
        assert segment.after(model.frames[-1].id, size) == []


def _from(model: Model, frame: Frame) -> bytes:
    return b"".join(one.data for one in model.frames[model.frames.index(frame) :])


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 20], ids=["single events", "batches"])
@pytest.mark.parametrize("text", ["", "x" * 2000], ids=["short", "long"])
def test_a_trimmed_segment_takes_no_more_memory_than_was_said(count: int, text: str) -> None:
    most = 1 << 20
    tracemalloc.start()
    try:
        segment = Segment()
        before, _ = tracemalloc.get_traced_memory()
        for number in range(10_000 // count):
            segment.append(_parsed(number, count, text))
            segment.trim(most)
        for chunk in segment.after(segment.start or "", 1 << 30) or []:
            chunk.frames()  # as listeners do that stopped in between
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert most / 2 < taken <= most
    segment.trim(0)
    assert segment.start is None


def _parsed(number: int, count: int, text: str) -> Chunk:
    """A chunk as it comes from Redis: nothing of it is shared with another one."""
    ids = [f"{1_700_000_000_000 + number}-{seq}" for seq in range(count)]
    data = b"".join(sse.encode(Event(text), event_id) for event_id in ids)
    prev = f"{1_700_000_000_000 + number - 1}-{count - 1}"
    head = f"E {prev} {ids[-1]} {count} {(number + 1) * count} {1_700_000_000_000_000 + number} 0"
    news = parse_announcement(head.encode() + b"\n" + data)
    assert isinstance(news, Chunk)
    return news


@pytest.mark.parametrize(
    "rendering",
    [Plain(), Envelope("a"), Listed(("a", "b")), Listed(("a", "b"), envelope=True)],
    ids=repr,
)
@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 3))])
def test_a_write_cut_at_any_byte_goes_on_without_loss(seed: int, rendering: Rendering) -> None:
    model = Model(seed, chunks=6)
    several = isinstance(rendering, Listed)
    items: list[Item] = [(0, chunk) for chunk in model.chunks]
    if several:
        items += [(1, chunk) for chunk in Model(seed + 50, chunks=4, first=5000).chunks]
        model.random.shuffle(items)
        items.sort(key=lambda item: item[1].last)
    begin = ["0-0"] * (1 + several)
    data, _ = rendering.render(items, list(begin))
    frames = sum(chunk.count for _, chunk in items)
    for sent in range(len(data) + 1):
        found = cut(rendering, items, begin, sent)
        assert found.rendering == rendering
        behind = [
            (index, frame)
            for index, chunk in items
            for frame in chunk.frames()
            if _place(frame.id) > _place(found.positions[index])
        ]
        assert found.events + len(behind) == frames
        positions = list(found.positions)
        rest = b"".join(rendering.frame(index, frame, positions)[0] for index, frame in behind)
        unsent = found.rest.piece() if found.rest else b""
        assert data[:sent] + unsent + rest == data


def _place(event_id: str) -> tuple[int, ...]:
    return tuple(int(part) for part in event_id.split("-"))


def test_who_stops_in_a_single_large_frame_holds_what_was_rendered_for_all() -> None:
    data = sse.encode(Event("x" * 300_000), "5-0")
    items: list[Item] = [(0, Chunk("4-0", "5-0", 1, 7, data, 0, False))]
    rendered = Plain().render(items, ["4-0"])
    for sent in (0, 1, len(data) - 1):
        found = cut(Plain(), items, ["4-0"], sent, rendered)
        assert (found.positions, found.rendering, found.events) == (["5-0"], Plain(), 1)
        assert found.rest.parts[0] is rendered[0]
        assert found.rest.sent == sent
    assert not cut(Plain(), items, ["4-0"], len(data), rendered).rest
