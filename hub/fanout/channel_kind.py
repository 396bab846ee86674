"""What a program built on the hub tells it about its own channels.

The hub delivers events and knows nothing of what they mean. Where a family of channels (a prefix
of the name) has a state that stands for its past, or other wire dialects than the plain one, its
owner says so with a `ChannelKind`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hub.store.frame import Frame


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Snapshot:
    """Everything so far, as of one moment.

    `frame`: one event that takes the place of the replay, with `position` as its id; None where
    there is nothing to show yet. `position`: what follows continues after it. `terminal`: the
    channel's last event where it has ended (it may have left the history already). `edition` is
    the kind's: another one means that what the snapshot shows was restarted.

    Those who come while somebody still holds a large one may get the same (`room`): so it must not
    be held for longer than it is sent.
    """

    frame: Frame | None
    position: str
    terminal: Frame | None
    edition: str = ""
    rendered: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    """What `rendering.shown` has made of it, for the next one who wants the same."""


class View(Protocol):
    """A wire dialect in one state. Immutable: listeners in the same state share one rendering."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Those by which the dialect's clients know its streams."""
        ...

    def render(self, frames: Sequence[Frame]) -> tuple[bytes, View | None]:
        """The bytes for these frames and the view that goes on from there; None instead of a view
        means that the stream ends behind the bytes. What is large may take several steps
        (`pace`). A snapshot comes alone."""
        ...


class ChannelKind(Protocol):
    """A family of channels with an owner: reserved to it, announced and replayed its way."""

    prefix: str

    def snapshot(self, channel: str) -> Snapshot | None:
        """Read the snapshot from Redis; None where the channel's record is gone or never was."""
        ...

    def edition(self, channel: str) -> str:
        """The edition that a snapshot read now would have; costs little."""
        ...

    def view(self, channel: str, dialect: str, position: str | None) -> View:
        """The view for a listener that starts in `dialect` after `position` (None: afresh).
        Raises `FieldError("format", …)` for a dialect that there is not."""
        ...
