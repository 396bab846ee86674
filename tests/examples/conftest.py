"""One hub for all examples, and each example started by the command that its README gives."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.browser.proxy import Proxy
from tests.support.deadline import answers
from tests.support.process import Process, ReservedPort
from tests.support.real import ROOT
from tests.support.shared import Shared, shared_stack
from tests.support.stack import clean_environ

EXAMPLES = ROOT / "examples"
_ROW = re.compile(r"^\| \[(\w+)\]\(\S+\) \| .* \| `([^`]+)` \|$", re.MULTILINE)

Start = Callable[..., str]


def commands() -> dict[str, str]:
    """How each example is run, as its README says, in the environment of the tests."""
    readme = (EXAMPLES / "README.md").read_text()
    return {
        name: command.replace(".venv/bin/", f"{sys.prefix}/bin/")
        for name, command in _ROW.findall(readme)
    }


@pytest.fixture(scope="package")
def port() -> Iterator[ReservedPort]:
    """Where the examples serve their pages: one origin, which the hub knows."""
    reserved = ReservedPort()
    yield reserved
    reserved.close()


@pytest.fixture(scope="package")
def whole_package(port: ReservedPort) -> Iterator[Shared]:
    settings = {
        "HUB_RETRY_MS": "100",
        "HUB_CORS_ORIGINS": f"http://127.0.0.1:{port.number}",
    }
    with shared_stack(settings) as shared:
        yield shared


@pytest.fixture
def shared(whole_package: Shared) -> Shared:
    whole_package.reset()
    with whole_package.valkey.client() as client:
        client.delete("hub:{dashboard}", "hub:{sse}")
    return whole_package


@pytest.fixture
def proxy(shared: Shared) -> Iterator[Proxy]:
    """A way to the hub that can be cut; for `start(name, hub_url=proxy.url)`."""
    way = Proxy(shared.hub.url)
    yield way
    way.close()


@pytest.fixture
def start(shared: Shared, port: ReservedPort, tmp_path: Path, processes: list[Process]) -> Start:
    """`start("chat")` runs the example; the address of its page."""

    def run(name: str, *, hub_url: str = "") -> str:
        command = commands()[name].replace("5050", str(port.number))
        settings = {
            "EXAMPLE_PORT": str(port.number),
            "HUB_URL": hub_url or shared.hub.url,
            "REDIS_URL": shared.valkey.url,
        }
        process = Process(
            name,
            ["sh", "-c", f"exec env {command}"],
            tmp_path / f"{name}.log",
            env={**clean_environ(), **settings},
        )
        processes.append(process)
        process.start()
        url = f"http://127.0.0.1:{port.number}"

        def is_up() -> None:
            assert process.running, process.log()
            requests.get(url, timeout=5).raise_for_status()

        answers(is_up, 20)
        return url

    return run
