"""`make run` by an ordinary user on a bare Debian 12 (others: `test_machines.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.engine import Engine
from tests.compose.machine import Machine


@pytest.fixture
def machine(engine: Engine, checkout: Path, tmp_path: Path) -> Iterator[Machine]:
    """It has not begun."""
    machine = Machine(engine, checkout, tmp_path, "python:3.11-slim")
    yield machine
    machine.end()


def test_make_run_says_what_the_model_lacks_and_runs_the_second_time_without_a_network(
    machine: Machine,
) -> None:
    """No root, no compiler, no libgomp, a folder with spaces, a HOME that cannot be written, and no
    IPv6."""
    log = machine.start().ready()
    [line] = [line for line in log.splitlines() if line.startswith("No model: ")]
    assert "libgomp.so.1" in line and "apt-get install libgomp1" in line
    found = machine.asked()
    assert found["ready"]["status"] == "ready" and "libgomp1" in found["ready"]["hint"]
    assert "apt-get install libgomp1" in found["page"]
    assert found["generation"]["model"] == "no-model"
    machine.again_without_a_network()
