"""What a listener has still to send: shared bytes and a place in them.

A snapshot may be thirty megabytes, and a thousand listeners may not have taken it yet. So it is
never copied for one of them: each holds the same bytes (`Shared`) and how far it has come. What is
one listener's own (a verdict, a heartbeat's rest, the rest of a frame) is small.

Values are immutable; an idle listener holds `NOTHING`, which all share.
"""

from __future__ import annotations

from dataclasses import dataclass

PIECE_BYTES = 128 * 1024
"""About how much is handed to a transport at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """Bytes that many listeners hold. `owner` lives as long as one of them does."""

    data: bytes
    owner: object


@dataclass(frozen=True, slots=True)
class Unsent:
    parts: tuple[bytes | Shared, ...] = ()
    sent: int = 0
    """How many bytes of the first part are gone."""

    def __bool__(self) -> bool:
        return bool(self.parts)

    def then(self, part: bytes | Shared) -> Unsent:
        """The same and `part` behind it."""
        if not part:
            return self
        match self.parts:
            case (*before, bytes(last)) if isinstance(part, bytes):
                if len(last) + len(part) <= PIECE_BYTES:
                    return Unsent((*before, last + part), self.sent)
        return Unsent((*self.parts, part), self.sent)

    def piece(self) -> bytes:
        """What to send next."""
        first = self.parts[0]
        data = first.data if isinstance(first, Shared) else first
        if not self.sent and len(data) <= PIECE_BYTES:
            return data
        return data[self.sent : self.sent + PIECE_BYTES]

    def after(self, count: int) -> Unsent:
        """What is left when `count` bytes of `piece` are sent."""
        first = self.parts[0]
        size = len(first.data if isinstance(first, Shared) else first)
        if self.sent + count < size:
            return Unsent(self.parts, self.sent + count)
        return Unsent(self.parts[1:]) if len(self.parts) > 1 else NOTHING


NOTHING = Unsent()
