"""The files of `deploy/`, as far as they can be judged without what reads them."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from hub.settings import Settings
from tests.support.real import ROOT, missing

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())


def test_every_variable_that_is_set_is_a_setting() -> None:
    names = {setting.metadata["name"] for setting in fields(Settings)}
    text = (DEPLOY / "kubernetes.yml").read_text()
    used = set(re.findall(r"\b(?:HUB_[A-Z_]+|REDIS_URL|OPENAI_[A-Z_]+)\b", text))
    assert used and used <= names


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_reads_a_unit_without_a_complaint(unit: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze") or missing("systemd-analyze")
    program = tmp_path / "hubbub"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for source in UNITS:
        text = source.read_text().replace("/opt/hubbub/bin/hubbub", str(program))
        (tmp_path / source.name.replace("@.", "@1.")).write_text(text)
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(tmp_path / unit.name.replace("@.", "@1."))],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
