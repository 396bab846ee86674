"""The examples' pages, bundled from the real packages, and one hub that knows their origin."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
import requests

from tests.clients.client import NODE_MODULES, node
from tests.support.deadline import answers
from tests.support.process import Process, ReservedPort
from tests.support.real import ROOT
from tests.support.shared import Shared, shared_stack
from tests.support.stack import clean_environ


class ServePage(Protocol):
    def __call__(self, name: str, aliases: str = "", hub: str = "") -> str:
        """Start an example's page, as a hub's (`hub`) or the shared one's; its origin."""
        ...


def newest(shared: Shared) -> dict[str, Any]:
    """The generation that was asked last; {} where none has been."""
    found = shared.hub.get("/generations?limit=1").json().get("generations")
    return dict(found[0]) if found else {}


@pytest.fixture(scope="package")
def port() -> Iterator[ReservedPort]:
    reserved = ReservedPort()
    yield reserved
    reserved.close()


@pytest.fixture(scope="package")
def whole_package(port: ReservedPort) -> Iterator[Shared]:
    settings = {
        "HUB_CORS_ORIGINS": f"http://127.0.0.1:{port.number}",
        "HUB_GENERATORS": "plain=tests.generators.sample:plain",
        "HUB_GENERATIONS_PER_MINUTE": "0",
        "HUB_RETRY_MS": "100",
    }
    with shared_stack(settings) as shared:
        yield shared


@pytest.fixture
def shared(whole_package: Shared) -> Shared:
    whole_package.reset()
    return whole_package


@pytest.fixture
def serve_page(
    shared: Shared, port: ReservedPort, tmp_path: Path, processes: list[Process]
) -> ServePage:
    def start(name: str, aliases: str = "", hub: str = "") -> str:
        node()
        env = {
            **clean_environ(),
            "EXAMPLE_PORT": str(port.number),
            "EXAMPLE_ALIASES": aliases,
            "HUB_URL": hub or shared.hub.url,
            "NODE_PATH": str(NODE_MODULES),
        }
        command = [sys.executable, "-m", f"examples.{name}"]
        server = Process("page", command, tmp_path / "page.log", env=env, cwd=ROOT)
        processes.append(server)
        server.start()
        url = f"http://127.0.0.1:{port.number}"
        answers(lambda: requests.get(url, timeout=2).raise_for_status(), 30)
        return url

    return start
