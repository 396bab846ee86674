"""Names of files that are none, and names that are many for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.web.static_files import StaticFiles


@pytest.fixture
def files(tmp_path: Path) -> StaticFiles:
    (tmp_path / "outside.js").write_text("secret")
    root = tmp_path / "static"
    root.mkdir()
    (root / "a.js").write_text("a")
    (root / "notes").write_text("no type of ours")
    return StaticFiles(root)


@pytest.mark.parametrize(
    "name", ["\0", "a.js\0", "../outside.js", "/etc/hosts", "notes", "", ".", "x" * 5000 + ".js"]
)
def test_a_name_of_no_file_is_none(files: StaticFiles, name: str) -> None:
    assert files._file(name) is None


def test_a_file_is_kept_once_by_whatever_names_it_is_asked_for(files: StaticFiles) -> None:
    names = ["a.js", *(f"{'x/../' * number}a.js" for number in range(9))]
    assert len({id(files._file(name)) for name in names}) == 1
    assert len(files._read) == 1
