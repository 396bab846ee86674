"""Events that prove themselves: from its number alone everyone knows an event's every byte."""

from __future__ import annotations

from functools import lru_cache
from random import Random
from zlib import crc32

_PIECES = ("word", "ünï©ödé 🙂", "\n", "data: x", "\n\n", " ", "id: 7", '{"a":1}', "<b>&amp;</b>")


@lru_cache(4096)
def payload(channel: str, number: int) -> str:
    """`crc channel number rest`: short mostly, now and then some kilobytes, with line ends."""
    random = Random(f"{channel} {number}")
    pieces = 400 if random.random() < 0.01 else random.randrange(12)
    rest = "".join(random.choices(_PIECES, k=pieces))
    text = f"{channel} {number} {rest}"
    return f"{crc32(text.encode()):08x} {text}"


def number_of(channel: str, data: str) -> int | None:
    """The number of a payload of `channel`; None where a byte of it is another one."""
    words = data.split(" ", 3)
    if len(words) < 3 or not words[2].isdigit():
        return None
    number = int(words[2])
    return number if data == payload(channel, number) else None
