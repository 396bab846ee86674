"""A position in several channels at once, as one event id (contract §2, `GET /events`).

A cursor is base64url without padding: four bytes that name the set of channels, then for each
channel, in the order of their names, six bytes of milliseconds and a varint. Eight channels take
about 90 characters of the 128. A cursor of another set of channels cannot be mistaken for ours.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256

from hub.channel import place

_NONE_MS = 2**48 - 1


def encode(channels: tuple[str, ...], positions: Sequence[str]) -> str:
    """`positions` in the order of `channels`, which are sorted; '': has not begun yet."""
    out = bytearray(_set_name(channels))
    for position in positions:
        ms, seq = (_NONE_MS, 0) if not position else place(position)
        out += ms.to_bytes(6, "big")
        while seq > 0x7F:
            out.append(seq & 0x7F | 0x80)
            seq >>= 7
        out.append(seq)
    return urlsafe_b64encode(bytes(out)).rstrip(b"=").decode()


def decode(channels: tuple[str, ...], cursor: str) -> list[str] | None:
    """The positions, or None where it is not a cursor over these channels."""
    try:
        data = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        return None
    if data[:4] != _set_name(channels):
        return None
    positions: list[str] = []
    at = 4
    for _ in channels:
        ms, at = int.from_bytes(data[at : at + 6], "big"), at + 6
        seq = shift = 0
        while True:
            if at >= len(data) or shift > 49:
                return None
            byte, at = data[at], at + 1
            seq |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        positions.append("" if ms == _NONE_MS else f"{ms}-{seq}")
    return positions if at == len(data) else None


_names: dict[tuple[str, ...], bytes] = {}


def _set_name(channels: tuple[str, ...]) -> bytes:
    name = _names.get(channels)
    if name is None:
        if len(_names) > 10_000:
            _names.clear()
        name = _names[channels] = sha256("\n".join(channels).encode()).digest()[:4]
    return name
