"""The table of docs/clients.md: written by the tests, never by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.support.real import ROOT

BEGIN, END = "<!-- the table: written by tests/clients -->\n", "<!-- the end of the table -->\n"
_HEAD = (
    "| client | asked for | text | cut in mid-stream | heartbeats | knows the end by |\n"
    "| --- | --- | --- | --- | --- | --- |\n"
)


@dataclass(frozen=True)
class Row:
    """What one client did. `resumed` says how it came back, or what it did instead."""

    client: str
    asked: str
    resumed: str
    heartbeats: int
    end: str
    text: str = "identical"

    def line(self) -> str:
        beats = "harmless" if self.heartbeats else "—"
        cells = (self.client, self.asked, self.text, self.resumed, beats, self.end)
        return f"| {' | '.join(cells)} |\n"


class Table:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, Row] = {}

    def add(self, row: Row) -> None:
        self.rows[f"{row.client} {row.asked}"] = row

    def text(self) -> str:
        return _HEAD + "".join(row.line() for row in self.rows.values())

    def written(self) -> str:
        """The table as the page has it now."""
        page = self.path.read_text()
        assert BEGIN in page and END in page, f"{self.path.name} has lost its marks"
        return page.split(BEGIN)[1].split(END)[0]

    def write(self) -> None:
        before, rest = self.path.read_text().split(BEGIN)
        self.path.write_text(before + BEGIN + self.text() + END + rest.split(END)[1])


def npm(package: str) -> str:
    """`package 1.2.3`, as pinned."""
    pinned = json.loads((ROOT / "tests/clients/package.json").read_text())["dependencies"]
    return f"{package} {pinned[package]}"


def pypi(package: str) -> str:
    return f"{package} {version(package)}"
