"""How a channel's frames become one listener's bytes.

    Plain     as they were stored: one channel, the bytes are not touched
    Listed    a list of channels: the `id:` is a cursor, and two fields say whose event it is
    Envelope  one channel, each event as a `message` that names its channel and its type
    Dialect   a view of the channel's kind (`channel_kind.View`)
    Labelled  one of these, whose ids carry something of their owner's in front

All are immutable and compare by value: listeners that stand at the same place with the same
rendering share its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from json.encoder import encode_basestring
from typing import Protocol

from hub import cursor, sse
from hub.event import Event, compact_json
from hub.fanout.channel_kind import Snapshot, View
from hub.fanout.pace import COPIED_BYTES, joined, json_parts, paced
from hub.fanout.unsent import NOTHING, PIECE_BYTES, Shared, Unsent
from hub.store.chunk import Chunk
from hub.store.frame import Frame

Item = tuple[int, Chunk]
"""The index of a channel among the listener's, and a chunk of it."""


class Rendering(Protocol):
    def render(self, items: Sequence[Item], positions: list[str]) -> tuple[bytes, Rendering | None]:
        """The bytes of these chunks, and the rendering to go on with; None: the stream ends here.
        Moves `positions` behind the items."""
        ...

    def frame(
        self, index: int, frame: Frame, positions: list[str]
    ) -> tuple[bytes, Rendering | None]:
        """The same for one frame (which may be a snapshot's)."""
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    def render(self, items: Sequence[Item], positions: list[str]) -> tuple[bytes, Rendering | None]:
        positions[0] = items[-1][1].last
        if len(items) == 1:
            return items[0][1].data, self
        return b"".join([chunk.data for _, chunk in items]), self

    def frame(
        self, index: int, frame: Frame, positions: list[str]
    ) -> tuple[bytes, Rendering | None]:
        positions[index] = frame.id
        return frame.data, self


@dataclass(frozen=True, slots=True)
class Envelope:
    channel: str

    def render(self, items: Sequence[Item], positions: list[str]) -> tuple[bytes, Rendering | None]:
        frames = [frame for _, chunk in items for frame in chunk.frames()]
        positions[0] = frames[-1].id
        return b"".join([self._enveloped(frame) for frame in paced(frames)]), self

    def frame(
        self, index: int, frame: Frame, positions: list[str]
    ) -> tuple[bytes, Rendering | None]:
        positions[index] = frame.id
        return self._enveloped(frame), self

    def _enveloped(self, frame: Frame) -> bytes:
        return b"id: %s\n%s" % (sse.frame_id(frame.data).encode(), enveloped(self.channel, frame))


@dataclass(frozen=True, slots=True)
class Listed:
    """Beside its `id:`, a cursor over all channels where there are several, each event has the
    fields `channel:` and `position:`, the event's id on that channel alone. Parsers ignore fields
    that they do not know; a client that changes its list goes on from the positions (`after=`)."""

    channels: tuple[str, ...]
    envelope: bool = False

    def render(self, items: Sequence[Item], positions: list[str]) -> tuple[bytes, Rendering | None]:
        out = []
        for index, chunk in items:
            for frame in paced(chunk.frames()):
                out.append(self.frame(index, frame, positions)[0])
        return b"".join(out), self

    def frame(
        self, index: int, frame: Frame, positions: list[str]
    ) -> tuple[bytes, Rendering | None]:
        positions[index] = frame.id
        return self.label(index, frame, positions) + self.body(index, frame), self

    def label(self, index: int, frame: Frame, positions: list[str]) -> bytes:
        """The fields of this listener's own."""
        several = len(self.channels) > 1
        token = cursor.encode(self.channels, positions) if several else sse.frame_id(frame.data)
        fields = f"id: {token}\nchannel: {self.channels[index]}\nposition: {frame.id}\n"
        return fields.encode()

    def body(self, index: int, frame: Frame) -> bytes:
        """What is the same for all listeners to this channel."""
        if self.envelope:
            return enveloped(self.channels[index], frame)
        if frame.value is None:
            return sse.without_id(frame.data)
        return joined([memoryview(frame.data)[frame.data.index(b"\n") + 1 :]])


@dataclass(frozen=True, slots=True)
class Dialect:
    view: View

    def render(self, items: Sequence[Item], positions: list[str]) -> tuple[bytes, Rendering | None]:
        positions[0] = items[-1][1].last
        return self._rendered([frame for _, chunk in items for frame in chunk.frames()])

    def frame(
        self, index: int, frame: Frame, positions: list[str]
    ) -> tuple[bytes, Rendering | None]:
        positions[index] = frame.id
        return self._rendered([frame])

    def _rendered(self, frames: list[Frame]) -> tuple[bytes, Rendering | None]:
        data, view = self.view.render(frames)
        if view is self.view:
            return data, self
        return data, None if view is None else Dialect(view)


def enveloped(channel: str, frame: Frame) -> bytes:
    """The event without its id, as a `message` that holds what an EventSource would have shown."""
    if frame.value is not None:  # a snapshot, which may be large: it is written in steps
        head = compact_json({"channel": channel, "event": "snapshot", "data": ""})
        return joined(chain([f"data: {head[:-2]}".encode()], _quoted(frame.value), [b'"}\n\n']))
    event = sse.decode(frame.data)
    data = {"channel": channel, "event": event.event, "data": event.data}
    return sse.encode_body(Event(compact_json(data), None, event.retry_ms))


def _quoted(value: object) -> Iterator[bytes]:
    """The value's JSON as what stands in a string of JSON."""
    for part in json_parts(value):
        yield encode_basestring(part.decode())[1:-1].encode()


@dataclass(frozen=True, slots=True)
class Labelled:
    """`inner` with `label` in front of every id: it tells its owner, when a client comes back with
    one, what the client had asked for. `id: ` begins a line nowhere but in the field."""

    inner: Rendering
    label: str

    def render(self, items: Sequence[Item], positions: list[str]) -> tuple[bytes, Rendering | None]:
        return self._labelled(*self.inner.render(items, positions))

    def frame(
        self, index: int, frame: Frame, positions: list[str]
    ) -> tuple[bytes, Rendering | None]:
        return self._labelled(*self.inner.frame(index, frame, positions))

    def _labelled(self, data: bytes, inner: Rendering | None) -> tuple[bytes, Rendering | None]:
        label = self.label.encode()
        if len(data) <= COPIED_BYTES:
            data = (b"\n" + data).replace(b"\nid: ", b"\nid: " + label)[1:]
        else:
            data = joined(_labelled_parts(data, label))
        return data, None if inner is None else Labelled(inner, self.label)


def _labelled_parts(data: bytes, label: bytes) -> Iterator[bytes | memoryview]:
    view, begun = memoryview(data), 0
    at = 0 if data.startswith(b"id: ") else data.find(b"\nid: ")
    while at >= 0:
        end = data.index(b"id: ", at) + len(b"id: ")
        yield view[begun:end]
        yield label
        begun, at = end, data.find(b"\nid: ", end)
    yield view[begun:]


@dataclass(frozen=True, slots=True)
class Shown:
    """A snapshot as one listener is sent it, and how that listener goes on."""

    parts: tuple[bytes | Shared, ...]
    positions: list[str]
    rendering: Rendering | None


_RENDERED = 4
"""How many renderings of a snapshot are kept beside it."""


def shown(rendering: Rendering, snapshot: Snapshot, index: int, positions: list[str]) -> Shown:
    """What `rendering.frame` gives for the snapshot's frame, made once for all listeners that want
    the same. Of a list only the first fields are a listener's own. The first call for a rendering
    may take several steps, in which others run; the next ones do not."""
    assert snapshot.frame is not None
    positions = list(positions)
    frame, rendered = snapshot.frame, snapshot.rendered
    if isinstance(rendering, Listed):
        positions[index] = frame.id
        body_key = (Listed, rendering.envelope)
        if body_key not in rendered:
            rendered[body_key] = rendering.body(index, frame)
        body = Shared(rendered[body_key], snapshot)
        return Shown((rendering.label(index, frame, positions), body), positions, rendering)
    positions[index] = frame.id
    key = (rendering, *positions)
    if key not in rendered:
        made = rendering.frame(index, frame, positions)
        while len(rendered) >= _RENDERED:
            del rendered[next(iter(rendered))]
        rendered[key] = made
    data, following = rendered[key]
    return Shown((Shared(data, snapshot),), positions, following)


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a short write stopped: the unsent rest of one frame, and what stands behind it. The
    rest is a place in the frame: a thousand who stopped in one hold it once."""

    rest: Unsent
    positions: list[str]
    rendering: Rendering | None
    events: int
    """How many of the events are sent, the one that was cut included."""


Rendered = tuple[bytes, Rendering | None]
"""What `Rendering.render` gave."""


def cut(
    rendering: Rendering,
    items: Sequence[Item],
    positions: list[str],
    sent: int,
    rendered: Rendered | None = None,
) -> Cut:
    """Take apart what `rendering.render(items, positions)` gave, of which `sent` bytes are gone.

    `rendered`, where it is at hand: of a single large frame (the end of a response that repeats
    all of its text) nothing is rendered again, and all who stopped in it hold the same bytes.
    """
    positions = list(positions)
    if rendered is not None and len(items) == 1 and items[0][1].count == 1:
        data, following = rendered
        if sent < len(data) > PIECE_BYTES:
            positions[items[0][0]] = items[0][1].last
            return Cut(Unsent((data,), sent), positions, following, 1)
    current: Rendering | None = rendering
    events = 0
    for index, chunk in items:
        if isinstance(current, Plain) and sent >= len(chunk.data):
            sent -= len(chunk.data)
            positions[index] = chunk.last
            events += chunk.count
            continue
        for frame in chunk.frames():
            if sent == 0 or current is None:
                return Cut(NOTHING, positions, current, events)
            data, current = current.frame(index, frame, positions)
            events += 1
            if sent < len(data):
                return Cut(Unsent((data,), sent), positions, current, events)
            sent -= len(data)
    return Cut(NOTHING, positions, current, events)
