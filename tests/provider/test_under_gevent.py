"""The worker is a process patched by gevent; the other tests here run in one without."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.real import ROOT

PATCHED = (
    "from gevent import monkey; monkey.patch_all(); "
    "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
)


@pytest.mark.slow
def test_all_of_this_holds_in_greenlets_too() -> None:
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            PATCHED,
            "-q",
            "-p",
            "no:cacheprovider",
            "-m",
            "not model and not slow",
            f"--ignore={__file__}",
            "tests/provider",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
