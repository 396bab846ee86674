"""Reasoning that comes inside the text: `<thought>…</thought>` (Gemini), `<think>…</think>`.

Only at the very start of a choice's content, where the servers put it: a tag further on is the
answer's own text and stays.
"""

from __future__ import annotations

_TAGS = ("thought", "think")
_LEADING_SPACE = 1024
"""Characters of white space behind which a tag is still looked for."""
_OPENINGS = tuple(f"<{tag}>" for tag in _TAGS)


class ThoughtSplitter:
    """Takes one choice's content piece by piece; tells text from thought, across any borders."""

    def __init__(self) -> None:
        self._held = ""
        self._closing = ""
        self._after = False
        self.plain = False
        """All that follows is text: there is no more need to ask."""

    def split(self, text: str) -> list[tuple[bool, str]]:
        """The pieces that are certain now, as (is thought, text)."""
        text = self._held + text
        self._held = ""
        if self._closing:
            return self._thought(text)
        if self._after:
            return self._first_text(text)
        start = text.lstrip()
        for opening in _OPENINGS:
            if start.startswith(opening):
                self._closing = f"</{opening[1:]}"
                return self._thought(start[len(opening) :])
        may_begin = any(opening.startswith(start) for opening in _OPENINGS)
        if may_begin and len(text) <= _LEADING_SPACE:
            self._held = text
            return []
        self.plain = True
        return [(False, text)]

    def end(self) -> list[tuple[bool, str]]:
        """What was held back because a tag might have come."""
        held, self._held = self._held, ""
        return [(bool(self._closing), held)] if held else []

    def _thought(self, text: str) -> list[tuple[bool, str]]:
        thought, closed, rest = text.partition(self._closing)
        if not closed:
            kept = _overlap(text, self._closing)
            self._held = text[len(text) - kept :]
            text = text[: len(text) - kept]
            return [(True, text)] if text else []
        self._closing = ""
        self._after = True
        pieces = [(True, thought)] if thought else []
        return pieces + self._first_text(rest)

    def _first_text(self, text: str) -> list[tuple[bool, str]]:
        """Line ends between a thought and its answer belong to the tag, not to the answer."""
        text = text.lstrip("\r\n")
        if not text:
            return []
        self.plain = True
        return [(False, text)]


def _overlap(text: str, tag: str) -> int:
    """How many characters at the end of `text` may be the beginning of `tag`."""
    for size in range(min(len(text), len(tag) - 1), 0, -1):
        if text.endswith(tag[:size]):
            return size
    return 0
