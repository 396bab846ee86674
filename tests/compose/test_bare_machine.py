"""`make run` by an ordinary user on a machine that has Python, `venv`, `make` and little else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.engine import Engine
from tests.support.deadline import eventually

NAME = "hubbub-bare"

DOCKERFILE = """
FROM python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends make \\
    && (python3 -m venv /tmp/venv || apt-get install -y --no-install-recommends python3-venv) \\
    && rm -rf /tmp/venv && useradd --create-home --uid 1000 somebody && chmod 0555 /home/somebody \\
    && mkdir "/a folder of mine" && chown somebody "/a folder of mine"
USER somebody
WORKDIR "/a folder of mine"
ENV HOME=/home/somebody PORT=8000
CMD ["sh", "-c", "[ -d hubbub ] || cp -r /checkout hubbub; cd hubbub && exec make run"]
"""

ASK = """
import json, urllib.request as u
def get(path): return u.urlopen("http://127.0.0.1:8000" + path, timeout=10).read().decode()
print(json.dumps({"ready": json.loads(get("/readyz")), "page": get("/")}))
"""


@pytest.fixture
def machine(engine: Engine, checkout: Path, tmp_path: Path) -> Iterator[Engine]:
    """A container that has a copy of the checkout and has not begun."""
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    engine.docker("build", "-t", NAME, str(tmp_path), seconds=300)
    engine.docker("create", "--init", "--name", NAME, NAME)
    engine.docker("cp", f"{checkout}/.", f"{NAME}:/checkout")
    yield engine
    engine.docker("rm", "-f", NAME)


def ready(machine: Engine, times: int, within_seconds: float) -> str:
    """What it said, once it is ready for the so-manieth time."""

    def said() -> str:
        log = machine.logs(NAME)
        state = machine.docker("inspect", "-f", "{{.State.Running}}", NAME).strip()
        assert state == "true", log
        return log if log.count("Ctrl-C ends everything") == times else ""

    return eventually(said, within_seconds, every_seconds=0.5)


def test_make_run_says_what_the_model_lacks_and_runs_the_second_time_without_a_network(
    machine: Engine,
) -> None:
    """No root, no compiler, no libgomp, a folder with spaces, a HOME that cannot be written, and no
    IPv6."""
    machine.docker("start", NAME)
    log = ready(machine, 1, 400)
    [line] = [line for line in log.splitlines() if line.startswith("No model: ")]
    assert "libgomp.so.1" in line and "apt-get install libgomp1" in line
    found = json.loads(machine.docker("exec", NAME, "python3", "-c", ASK))
    assert found["ready"]["status"] == "ready" and "libgomp1" in found["ready"]["hint"]
    assert "apt-get install libgomp1" in found["page"]
    machine.docker("stop", "--time", "20", NAME)
    machine.docker("network", "disconnect", "bridge", NAME)
    machine.docker("start", NAME)
    ready(machine, 2, 60)
