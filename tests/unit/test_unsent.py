"""What a listener has still to send, and that a snapshot is there once for all who send it."""

from __future__ import annotations

import gc
import weakref
from random import Random

import pytest

from hub import sse
from hub.event import Event, compact_json
from hub.fanout.channel_kind import Snapshot
from hub.fanout.rendering import Dialect, Envelope, Listed, Plain, Rendering, enveloped, shown
from hub.fanout.unsent import NOTHING, PIECE_BYTES, Shared
from hub.store.frame import Frame
from workers.dialects.openai import OpenAI
from workers.dialects.text import Text

DATA = b'id: 5-0\nevent: snapshot\ndata: {"choices":[{"index":0,"content":"Hello"}]}\n\n'


def snapshot() -> Snapshot:
    return Snapshot(Frame("5-0", "5-0", 3, DATA), "5-0", None)


@pytest.mark.parametrize("seed", range(20))
def test_everything_is_sent_once_and_in_order_whatever_is_taken_at_a_time(seed: int) -> None:
    random = Random(seed)
    unsent, expected, sent = NOTHING, b"", b""
    for number in range(40):
        data = bytes([number]) * random.choice((0, 1, 100, PIECE_BYTES, 3 * PIECE_BYTES))
        expected += data
        unsent = unsent.then(Shared(data, None) if data and random.random() < 0.3 else data)
        while unsent and random.random() < 0.8:
            piece = unsent.piece()
            assert 0 < len(piece) <= 2 * PIECE_BYTES
            count = random.randrange(len(piece) + 1)
            sent += piece[:count]
            unsent = unsent.after(count)
    while unsent:
        sent += unsent.piece()
        unsent = unsent.after(len(unsent.piece()))
    assert sent == expected
    assert unsent is NOTHING


@pytest.mark.parametrize(
    ("renderings", "positions"),
    [
        ([Plain(), Plain()], ["", ""]),
        ([Dialect(Text()), Dialect(Text())], [""]),
        ([Dialect(OpenAI("a", 1, None)), Dialect(OpenAI("a", 1, None))], [""]),
        ([Listed(("a", "b")), Listed(("a", "b", "c"))], ["7-0", "", ""]),
        ([Listed(("a", "b"), envelope=True), Listed(("a",), envelope=True)], ["7-0", ""]),
        ([Envelope("a"), Envelope("a")], [""]),
    ],
)
def test_listeners_of_one_snapshot_hold_the_same_bytes_and_are_sent_what_they_would_be_alone(
    renderings: list[Rendering], positions: list[str]
) -> None:
    taken = snapshot()
    held = []
    for rendering in renderings:
        found = shown(rendering, taken, 0, positions)
        alone = list(positions)
        data, following = rendering.frame(0, Frame("5-0", "5-0", 3, DATA), alone)
        whole = b"".join(p.data if isinstance(p, Shared) else p for p in found.parts)
        assert (whole, found.rendering, found.positions) == (data, following, alone)
        held.append(next(part for part in found.parts if isinstance(part, Shared)))
    assert held[0].data is held[1].data
    assert positions[-1] == ""


def test_a_snapshot_lives_as_long_as_somebody_has_to_send_it_and_no_longer() -> None:
    taken = snapshot()
    unsent = NOTHING.then(shown(Plain(), taken, 0, [""]).parts[0])
    alive = weakref.ref(taken)
    gc.disable()
    try:
        del taken
        assert alive() is not None
        unsent = unsent.after(len(unsent.piece()))
        assert alive() is None
    finally:
        gc.enable()


def test_few_renderings_of_a_snapshot_are_kept_beside_it() -> None:
    taken = snapshot()
    for number in range(20):
        shown(Dialect(OpenAI(str(number), 1, None)), taken, 0, [""])
    assert len(taken.rendered) <= 4


def test_a_large_snapshot_in_an_envelope_is_what_a_small_one_would_be() -> None:
    value = {"choices": [{"index": 0, "content": 'ß\n"' * 100_000}]}
    data = sse.encode(Event(compact_json(value), "snapshot"), "5-0")
    large = enveloped("a", Frame("5-0", "5-0", 3, data, value))
    assert large == enveloped("a", Frame("5-0", "5-0", 3, data))
