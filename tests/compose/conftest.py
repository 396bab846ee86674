"""One engine and one set of images for all tests of this folder; each test runs a project of its
own, with what compose is given by a person: the file, the environment, a command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.compose.engine import Engine
from tests.compose.project import Project
from tests.support.checkout import copy_checkout

Up = Callable[..., Project]


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    engine = Engine()
    try:
        yield engine.start().import_base_images()
    finally:
        engine.end()


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The builder gets nothing else."""
    place = tmp_path_factory.mktemp("checkout")
    place.chmod(0o755)  # as a clone has it
    return copy_checkout(place)


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
