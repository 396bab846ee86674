"""Names of files that are none, names that are many for one, and what of a file goes out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hub.web.static_files import StaticFiles
from tests.support.real import ROOT, missing

ESBUILD = ROOT / "tests" / "clients" / "node_modules" / ".bin" / "esbuild"


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


def test_a_module_goes_out_without_comments_and_every_line_keeps_its_number(
    files: StaticFiles, tmp_path: Path
) -> None:
    written = (
        "/**\n * What it is for.\n */\n\n"
        'import "a";  // kept\n'
        "  // said here\n"
        "  /** @type {any} */ (b).c = 1; /* kept */\n"
        "  /* one */\n"
        "\td('/* no comment */');\n"
    )
    sent = ["", "", "", "", 'import "a";  // kept', "", "/** @type {any} */ (b).c = 1; /* kept */"]
    sent += ["", "d('/* no comment */');", ""]
    for name in ("b.js", "vendor/b.js", "b.css"):
        path = tmp_path / "static" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(written)
    found = [files._file(name) for name in ("b.js", "vendor/b.js", "b.css")]
    texts = [one.plain.decode() for one in found if one]
    assert texts == ["\n".join(sent), written, written]


def test_every_module_of_the_pages_means_what_is_written() -> None:
    """The parser of esbuild takes both for the same program, with the same texts in it."""
    if not ESBUILD.exists():
        missing("esbuild (tests/clients/install)")
    root = ROOT / "static"
    modules = [path for path in root.rglob("*.js") if "vendor" not in path.parts]

    def program(text: bytes) -> bytes:
        done = subprocess.run([ESBUILD, "--minify-whitespace"], input=text, capture_output=True)
        return done.stdout

    files = StaticFiles(root)
    assert modules
    for path in modules:
        sent = files._file(str(path.relative_to(root)))
        assert sent and program(sent.plain) == program(path.read_bytes()) != b"", path
