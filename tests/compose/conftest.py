"""One engine and one set of images for all tests of this folder; each test runs a project of its
own, with what compose is given by a person: the file, the environment, a command.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.compose.engine import Engine
from tests.compose.project import Project

Up = Callable[..., Project]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    engine = Engine()
    try:
        yield engine.start().import_base_images()
    finally:
        engine.end()


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is under version control, as it is here now: the builder gets nothing else."""
    place = tmp_path_factory.mktemp("checkout")
    place.chmod(0o755)  # as a clone has it
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, names.decode().split("\0")):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    return place


@pytest.fixture(scope="session")
def images(engine: Engine, checkout: Path) -> Engine:
    """The engine, with the project's images built."""
    Project(engine, checkout, "hubbub-build", {}).compose("build", seconds=900)
    return engine


_NUMBER = count()


@pytest.fixture
def up(images: Engine, checkout: Path) -> Iterator[Up]:
    """`up(*words, env={…})`: `docker compose up -d`, then ready. Gone with the test."""
    projects: list[Project] = []

    def start(*words: str, env: dict[str, str] | None = None, ready: bool = True) -> Project:
        project = Project(images, checkout, f"hubbub-test-{next(_NUMBER)}", env or {})
        projects.append(project)
        project.up(*words)
        if ready:
            project.until_ready()
        return project

    yield start
    for project in projects:
        project.remove()
