"""`python -m tests.mutants [WORD…]`: breaks each promise (or those with a WORD in their text) in a
copy of the checkout and runs its fast tests. The exit status is 0 where each was noticed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.mutants import MUTANTS, Mutant
from tests.support.real import ROOT

FAST = "not browser and not cluster and not model and not slow"
LONGEST_SECONDS = 300
"""Tests that a broken promise makes hang for so long have noticed it."""
NOTICED, PASSED = 1, 0


def main(words: Sequence[str]) -> int:
    chosen = [m for m in MUTANTS if all(word in m.promise for word in words)]
    copy = Path(tempfile.mkdtemp(prefix="hub-mutants-"))
    try:
        _copy_checkout(copy)
        tests = sorted({test for mutant in chosen for test in mutant.tests})
        print(f"{len(chosen)} promises; their tests, with none of them broken", flush=True)
        if _run(copy, tests) != PASSED:
            print("these tests fail as it is")
            return 2
        survived = [mutant for mutant in chosen if not _noticed(copy, mutant)]
    finally:
        shutil.rmtree(copy)
    print(f"{len(chosen) - len(survived)} of {len(chosen)} noticed")
    return 1 if survived else 0


def _noticed(copy: Path, mutant: Mutant) -> bool:
    file = copy / mutant.file
    whole = file.read_text()
    assert whole.count(mutant.old) == 1, f"{mutant.file}: {mutant.old!r} does not stand there once"
    file.write_text(whole.replace(mutant.old, mutant.new))
    began = time.monotonic()
    try:
        status = _run(copy, mutant.tests)
    finally:
        file.write_text(whole)
    seconds = time.monotonic() - began
    # Any other status is no test's judgement: the mutant is no program, or names no tests.
    assert status in (NOTICED, PASSED), f"pytest ended with {status} on: {mutant.promise}"
    noticed = status == NOTICED
    print(f"{'noticed ' if noticed else 'SURVIVED'} {seconds:5.1f} s  {mutant.promise}", flush=True)
    return noticed


def _run(copy: Path, tests: Sequence[str]) -> int:
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-n", "0", "-m", FAST, *tests]
    try:
        # A promise may be broken in a way that only shows as a test that never ends.
        return subprocess.run(
            [*command, "-p", "no:cacheprovider"],
            cwd=copy,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=LONGEST_SECONDS,
        ).returncode
    except subprocess.TimeoutExpired:
        return NOTICED


def _copy_checkout(copy: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
