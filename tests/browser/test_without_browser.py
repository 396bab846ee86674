"""The modules of the pages without a browser: their logic under Node, and their types."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.deadline import patience
from tests.support.real import ROOT, missing, node_binary

HERE = Path(__file__).parent
TYPESCRIPT = ROOT / "tests" / "clients" / "node_modules" / "typescript" / "bin" / "tsc"


def test_parser_fold_pool_and_versions_do_under_node_what_they_promise() -> None:
    files = sorted(str(path) for path in HERE.glob("*.test.mjs"))
    done = subprocess.run(
        [node_binary(), "--test", *files], capture_output=True, text=True, timeout=120 * patience()
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.slow
def test_the_types_of_all_modules_fit() -> None:
    command = node_binary()
    if not TYPESCRIPT.exists():
        missing("TypeScript (tests/clients/install)")
    done = subprocess.run(
        [command, str(TYPESCRIPT), "-p", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120 * patience(),
    )
    # The vendored libraries are other people's.
    own = [
        line
        for line in done.stdout.splitlines()
        if line.startswith("static/") and not line.startswith("static/vendor/")
    ]
    assert own == []
    assert "error TS" not in done.stdout or "static/vendor/" in done.stdout, done.stdout
