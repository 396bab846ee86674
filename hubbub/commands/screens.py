"""Where an answer is written: as text, or at a terminal as Markdown, rendered as it comes.

A block of Markdown that is finished (a paragraph, a list, a table, code) is printed once and
scrolls away; only the one that is being written is drawn again, ten times a second, and no more of
it than the window has lines. Where blocks end CommonMark's own parser says, so a blank line in code
is no end.
"""

from __future__ import annotations

from typing import Self

from markdown_it import MarkdownIt
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment

from hub.showing import printable, say

REDRAWN_PER_SECOND = 10


class PlainScreen:
    """The text as it comes, for programs, and for terminals that can move no cursor."""

    def __init__(self, *, silent: bool = False) -> None:
        self._silent = silent
        self._said = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        if self._said:
            say("")

    def add(self, text: str) -> None:
        if text and not self._silent:
            self._said = True
            say(text, end="")

    def drop(self) -> None:
        """What is printed stays."""


class MarkdownScreen:
    """A context: `add` text as it comes, `drop` what stands there unfinished."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._parse = MarkdownIt().enable("table").parse
        self._unfinished = ""
        self._live = Live(
            get_renderable=lambda: _Tail(self._unfinished),
            console=self._console,
            refresh_per_second=REDRAWN_PER_SECOND,
            vertical_overflow="visible",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        rest, self._unfinished = self._unfinished, ""
        self._live.stop()
        if rest.strip():
            self._console.print(_rendered(rest))

    def add(self, text: str) -> None:
        if not text:
            return
        self._live.start()
        whole = self._unfinished + printable(text)
        begin = self._last_block(whole) if "\n" in text else 0
        self._unfinished = whole[begin:]
        if begin:
            self._console.print(_rendered(whole[:begin]))
            self._console.print()

    def drop(self) -> None:
        """What is not finished was taken back; what has scrolled away has been seen."""
        self._unfinished = ""
        self._live.stop()

    def _last_block(self, text: str) -> int:
        """Where the last block begins: those before it will not change."""
        begun = [token.map[0] for token in self._parse(text) if token.map and token.level == 0]
        lines = text.splitlines(keepends=True)
        return sum(map(len, lines[: max(begun, default=0)]))


class _Tail:
    """The last lines of a block, as many as the window has room for."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self._text:
            return
        lines = console.render_lines(_rendered(self._text), options, pad=False)
        for line in lines[-max(1, console.height - 1) :]:
            yield from line
            yield Segment.line()


def _rendered(text: str) -> Markdown:
    # The addresses of links are shown: behind a link of the terminal's own anything may stand.
    return Markdown(text, hyperlinks=False)
