"""A chain of pieces, the newest first: adding one costs the same however many there are, and none
that a value holds is ever changed, so values share what they have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hub.fanout.pace import paced
from hub.long_text import Text, whole_text

Chain = tuple[Any, Any] | None
"""What came before, and a piece; None: nothing yet."""


def in_order(chain: Chain) -> Iterator[Any]:
    """The pieces as they came."""
    found = []
    while chain is not None:
        chain, piece = chain
        found.append(piece)
    return reversed(found)


def text_of(chain: Chain) -> Text:
    """The text that the pieces are."""
    return whole_text(paced(in_order(chain)))
