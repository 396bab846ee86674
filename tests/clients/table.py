"""The table of docs/clients.md: written by the tests, never by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.support.real import ROOT

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


class Section:
    """What stands between two marks of a page."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self._begin = f"<!-- {name}: written by tests/clients -->\n"
        self._end = f"<!-- the end of {name} -->\n"

    def text(self) -> str:
        return self._parts()[1]

    def write(self, text: str) -> None:
        before, _, rest = self._parts()
        self.path.write_text(before + self._begin + text + self._end + rest)

    def _parts(self) -> tuple[str, str, str]:
        page = self.path.read_text()
        assert self._begin in page and self._end in page, f"{self.path.name} has lost its marks"
        before, rest = page.split(self._begin)
        text, after = rest.split(self._end)
        return before, text, after


class Table:
    def __init__(self, path: Path) -> None:
        self._section = Section(path, "the table")
        self.rows: dict[str, Row] = {}

    def add(self, row: Row) -> None:
        self.rows[f"{row.client} {row.asked}"] = row

    def text(self) -> str:
        return _HEAD + "".join(row.line() for row in self.rows.values())

    def written(self) -> str:
        """The table as the page has it now."""
        return self._section.text()

    def write(self) -> None:
        self._section.write(self.text())


def npm(package: str) -> str:
    """`package 1.2.3`, as pinned."""
    wanted = json.loads((ROOT / "tests/clients/package.json").read_text())["dependencies"]
    return f"{package} {wanted[package]}"


def pypi(package: str) -> str:
    return f"{package} {version(package)}"


def pinned(package: str) -> str:
    """`package 1.2.3` of the environment that the askers have to themselves."""
    lines = (ROOT / "tests/clients/requirements-askers.txt").read_text().splitlines()
    (found,) = (line for line in lines if line.startswith(f"{package}=="))
    return found.replace("==", " ")
