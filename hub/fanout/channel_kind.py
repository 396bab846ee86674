"""What a program built on the hub tells it about its own channels.

The hub delivers events and knows nothing of what they mean. Where a family of channels (a prefix
of the name) has a state that stands for its past, or other wire dialects than the plain one, its
owner says so with a `ChannelKind`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hub.store.frame import Frame


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything so far, as of one moment.

    `frame`: one event that takes the place of the replay, with `position` as its id; None where
    there is nothing to show yet. `position`: what follows continues after it. `terminal`: the
    channel's last event where it has ended (it may have left the history already).
    """

    frame: Frame | None
    position: str
    terminal: Frame | None


class View(Protocol):
    """A wire dialect in one state. Immutable: listeners in the same state share one rendering."""

    def render(self, frames: Sequence[Frame]) -> tuple[bytes, View | None]:
        """The bytes for these frames (a snapshot's among them) and the view that goes on from
        there; None instead of a view means that the stream ends behind the bytes."""
        ...


class ChannelKind(Protocol):
    """A family of channels with an owner: reserved to it, announced and replayed its way."""

    prefix: str

    def snapshot(self, channel: str) -> Snapshot | None:
        """Read the snapshot from Redis; None where the channel's record is gone or never was."""
        ...

    def view(self, channel: str, dialect: str, position: str | None) -> View:
        """The view for a listener that starts in `dialect` after `position` (None: afresh).
        Raises `FieldError("format", …)` for a dialect that there is not."""
        ...
