"""The files of `deploy/`, as far as they can be judged without what reads them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from hub.settings import Settings
from tests.support.deadline import patience
from tests.support.real import ROOT, missing

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())


def test_every_variable_that_is_set_is_a_setting() -> None:
    names = {setting.metadata["name"] for setting in fields(Settings)}
    text = (DEPLOY / "kubernetes.yml").read_text()
    used = set(re.findall(r"\b(?:HUB_[A-Z_]+|REDIS_URL|OPENAI_[A-Z_]+)\b", text))
    assert used and used <= names


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_kubernetes_schemas_take_the_example(version: str) -> None:
    done = _validated(version, DEPLOY / "kubernetes.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    kinds = re.findall(r"^kind: (\w+)$", (DEPLOY / "kubernetes.yml").read_text(), re.MULTILINE)
    assert set(kinds) >= {"Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler"}
    assert done.stdout.count(" passed for resource ") == len(kinds)


def test_kubernetes_schemas_refuse_a_member_that_is_none(tmp_path: Path) -> None:
    text = (DEPLOY / "kubernetes.yml").read_text()
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(text.replace("terminationGracePeriodSeconds", "terminationGraceSeconds"))
    assert wrong.read_text() != text
    done = _validated("1.37", wrong)
    assert done.returncode != 0 and "terminationGraceSeconds" in done.stdout + done.stderr


def _validated(version: str, file: Path) -> subprocess.CompletedProcess[str]:
    validate = [sys.executable, "-m", "kubernetes_validate", "--strict", "-k", version, str(file)]
    return subprocess.run(validate, capture_output=True, text=True, timeout=60 * patience())


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
        timeout=30 * patience(),
    )
    assert (done.returncode, done.stderr) == (0, "")
