"""docs/commands.md is true: its reference is the help, and its commands work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.command.conftest import environ
from tests.command.page import HEAD, PAGE, reference
from tests.support.real import ROOT
from tests.support.stack import Stack
from tests.test_readme import blocks


def test_the_reference_is_what_help_says() -> None:
    assert PAGE.read_text().partition(HEAD)[2] == reference(), "python -m tests.command.page"


def test_its_commands_work(hub: Stack, tmp_path: Path) -> None:
    shim = tmp_path / "hubbub"
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m hubbub "$@"\n')
    shim.chmod(0o755)
    script = "\n".join(blocks(PAGE.read_text()))
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script],
        cwd=ROOT,
        env=environ(hub, {"PATH": f"{tmp_path}:{os.environ['PATH']}"}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert done.stdout.count("hubbub ") >= 15
