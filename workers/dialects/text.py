"""The dialect `text`: choice 0's content alone, each delta's text one block's data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from hub import long_text
from hub.event import compact_json
from hub.store.frame import Frame
from workers.dialects.block import TERMINAL, block, broken, in_turn, parsed, text_block


@dataclass(frozen=True, slots=True)
class Text:
    """Choice 0's content, as it is: each delta's text is one block's data.

    `after_cr`: the text so far ends with a CR. A LF that comes next belongs to it, and both
    together arrive as one LF."""

    sent: bool = False
    lost: bool = False
    after_cr: bool = False

    headers: ClassVar[Mapping[str, str]] = {}

    def render(self, frames: Sequence[Frame]) -> tuple[bytes, Text | None]:
        return in_turn(self, frames, Text._render)

    def _render(self, frame: Frame, out: list[bytes]) -> Text | None:
        event, data = parsed(frame)
        problem = broken(event, sent=self.sent, lost=self.lost)
        if problem is not None:
            out.append(block(frame.id, compact_json(problem), "failed"))
            return None
        if event in ("failed", "cancelled"):
            out.append(block(frame.id, compact_json(data), event))
        text = _content(event, data)
        if not text:
            return None if event in TERMINAL else self
        shown = text
        if self.after_cr and isinstance(text, str):  # what is long is a snapshot: nothing was sent
            shown = text.removeprefix("\n")
        if shown:
            out.append(text_block(frame, shown))
        after_cr = long_text.pieces_of(text)[-1].endswith("\r")
        if self.sent and after_cr == self.after_cr:
            return self
        return replace(self, sent=True, after_cr=after_cr)


def _content(event: str, data: Mapping[str, Any]) -> long_text.Text:
    deltas: Iterable[Mapping[str, Any]] = ()
    if event == "delta":
        deltas = (data,)
    elif event == "snapshot":
        deltas = data["choices"]
    return next((delta.get("content", "") for delta in deltas if delta["index"] == 0), "")
