"""A listener's bytes, of a snapshot too large for one step: they are those of a small one."""

from __future__ import annotations

import json

import pytest

from hub import sse
from hub.event import Event, compact_json
from hub.fanout.pace import COPIED_BYTES, LONG_TEXT
from hub.fanout.rendering import Labelled, Listed, Plain, enveloped
from hub.store.frame import Frame
from workers.dialects.block import text_block

SAID = {"choices": [{"content": 'ß🙂\n"\\\x00' * LONG_TEXT}]}


@pytest.fixture
def large() -> Frame:
    frame = sse.encode(Event(compact_json(SAID), "snapshot"), "7-1")
    assert len(frame) > COPIED_BYTES
    return Frame("7-1", "7-1", 1, frame, SAID)


def test_its_envelope_holds_what_an_event_source_would_have_shown(large: Frame) -> None:
    (event,) = sse.Parser().feed(enveloped("news", large))
    assert json.loads(event.data) == {
        "channel": "news",
        "event": "snapshot",
        "data": compact_json(SAID),
    }


def test_among_several_channels_only_its_id_is_another(large: Frame) -> None:
    assert Listed(("news",)).body(0, large) == sse.without_id(large.data)


@pytest.mark.parametrize("before", [b"", b": beat\n", b"id: 6-1\ndata: x\n\n"])
def test_each_of_its_ids_is_labelled_and_nothing_else(large: Frame, before: bytes) -> None:
    data = before + large.data
    frame = Frame("7-1", "7-1", 1, data)
    made, _ = Labelled(Plain(), "sub~").frame(0, frame, [""])
    assert made == (b"\n" + data).replace(b"\nid: ", b"\nid: sub~")[1:]
    assert made.count(b"sub~") == data.count(b"\nid: ") + data.startswith(b"id: ")


@pytest.mark.parametrize("end", ["", "\r", "\n", "\r\n"])
def test_its_text_has_the_lines_of_a_small_one(large: Frame, end: str) -> None:
    text = "x" * (LONG_TEXT - 1) + "\r\n" + "y" * LONG_TEXT + "\n\r" + end
    assert text_block(large, text) == sse.encode(Event(text), "7-1")
