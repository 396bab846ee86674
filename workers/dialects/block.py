"""What every dialect needs: a stored event read, a block written, and why a text cannot go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

from hub import json_text, sse
from hub.event import Event, compact_json
from hub.fanout.pace import COPIED_BYTES, LONG_TEXT, joined, json_parts, paced
from hub.long_text import Text, slices
from hub.store.frame import Frame
from workers.run.claim import WORKER_LOST

V = TypeVar("V")

TERMINAL = frozenset({"completed", "failed", "cancelled"})

_LOST = {
    "code": WORKER_LOST,
    "message": "the worker was lost, and the text was begun anew",
    "retryable": True,
}
_GAP = {
    "code": "history-lost",
    "message": "what comes next in the text is not in the history any more",
    "retryable": True,
}


def parsed(frame: Frame) -> tuple[str, Any]:
    """A stored event's type and its JSON data."""
    if frame.value is not None:
        return "snapshot", frame.value
    event = sse.decode(frame.data)
    return event.event, json_text.decode(event.data)


def in_turn(
    view: V, frames: Sequence[Frame], render: Callable[[V, Frame, list[bytes]], V | None]
) -> tuple[bytes, V | None]:
    """The bytes that a view makes of `frames`, one after the other, and the view that goes on;
    None behind the one that ends its stream."""
    out: list[bytes] = []
    following: V | None = view
    for frame in paced(frames):
        if following is None:
            break
        following = render(following, frame, out)
    # Only what may take several steps makes a block that is longer than one step's.
    long = any(len(block) > COPIED_BYTES for block in out)
    return joined(out) if long else b"".join(out), following


def block(event_id: str, data: str, event: str | None = None) -> bytes:
    return sse.encode(Event(data, event), event_id)


def json_block(frame: Frame, value: object, *, large: bool = False) -> bytes:
    """A block of JSON with the frame's id. Of a snapshot, or of an event that is long, it may be
    large, and is made in steps."""
    if frame.value is None and len(frame.data) <= LONG_TEXT and not large:
        return block(frame.id, compact_json(value))
    return joined(chain([b"id: %s\ndata: " % frame.id.encode()], json_parts(value), [b"\n\n"]))


def text_block(frame: Frame, text: Text) -> bytes:
    """The same of plain text."""
    if frame.value is None:
        return block(frame.id, str(text))
    return joined(chain([b"id: %s\ndata: " % frame.id.encode()], _lines(text), [b"\n\n"]))


def _lines(text: Text) -> Iterator[bytes]:
    """The lines of the field `data`, in parts of about `LONG_TEXT`."""
    held = ""
    for part in slices(text, LONG_TEXT):
        whole = held + part
        held = "\r" if whole.endswith("\r") else ""  # with the LF that may follow it
        yield sse.data_lines(whole.removesuffix(held)).encode()
    if held:
        yield sse.data_lines(held).encode()


def broken(event: str, *, sent: bool, lost: bool) -> Mapping[str, Any] | None:
    """Why the text that was sent cannot go on, where it cannot. A snapshot in mid-stream stands for
    events that are gone: it begins from the beginning, which has been sent."""
    # `started` behind text: a failover has lost its beginning, and it starts again.
    if lost or (event in ("started", "restarted") and sent):
        return _LOST
    return _GAP if event == "snapshot" and sent else None
