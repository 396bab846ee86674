"""`make run` and `make test` on a bare Debian 13 (Python 3.13), by an ordinary user whose only way
out is a company's proxy (`make test-machines`).

Debian 12, with a way out of its own, is in `test_bare_machine.py`. Ubuntu's trees cannot be had
where these tests run; its Python is in `make test-pythons`, and that all packages have wheels for
each Python is asked of their index.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.compose.base_images import TRIXIE, archive
from tests.compose.engine import Engine
from tests.compose.machine import Machine
from tests.support.real import ROOT

NETWORK = "hubbub-inside"
GATEWAY = "{{(index .IPAM.Config 0).Gateway}}"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


class CompanyProxy:
    """Passes CONNECT on, and remembers what it was asked for."""

    def __init__(self, host: str) -> None:
        self.asked: list[str] = []
        self._listening = socket.create_server((host, 0))
        self.url = f"http://{host}:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (data := client.recv(65536)):
                    return
                head += data
            line = head.partition(b"\r\n")[0].decode()
            self.asked.append(line)
            method, target, _ = line.split()
            if method != "CONNECT":
                client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                return
            host, _, port = target.rpartition(":")
            with socket.create_connection((host, int(port)), 30) as server:
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                threading.Thread(target=_pour, args=(server, client), daemon=True).start()
                _pour(client, server)


def _pour(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the other side has left


@pytest.fixture(scope="module")
def trixie(engine: Engine) -> Engine:
    engine.docker("import", str(archive(TRIXIE)), TRIXIE)
    return engine


@pytest.fixture(scope="module")
def proxy(trixie: Engine) -> Iterator[CompanyProxy]:
    """On a network that has no other way out."""
    trixie.docker("network", "create", "--internal", NETWORK)
    server = CompanyProxy(trixie.docker("network", "inspect", NETWORK, "-f", GATEWAY).strip())
    yield server
    server.close()
    trixie.docker("network", "rm", NETWORK)


Make = Callable[..., Machine]


@pytest.fixture
def make(trixie: Engine, proxy: CompanyProxy, checkout: Path, tmp_path: Path) -> Iterator[Make]:
    """`make(**…)`: a Debian 13 behind the proxy; the words are `Machine`'s."""
    made: list[Machine] = []
    options = ["--network", NETWORK]
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        options += ["--env", f"{name}={proxy.url}"]  # and no NO_PROXY

    def machine(**words: str) -> Machine:
        made.append(Machine(trixie, checkout, tmp_path, TRIXIE, options=tuple(options), **words))
        return made[-1].start()

    yield machine
    for one in made:
        one.end()


def test_the_first_question_is_answered_by_the_local_model_past_the_proxy(
    make: Make, proxy: CompanyProxy
) -> None:
    """In a folder with signs beyond ASCII; the second time without a network at all."""
    machine = make(packages="libgomp1", folder="mein Ordner – größer")
    began = time.monotonic()
    machine.ready()
    found = machine.asked()
    print(f"make run: the first answer after {time.monotonic() - began:.0f} s")
    assert found["generation"]["status"] == "completed", found
    assert found["generation"]["model"] == "smollm2-135m"
    assert "hint" not in found["ready"]
    assert all(":443 " in line for line in proxy.asked), "packages, and no question"
    machine.again_without_a_network()
    assert machine.asked()["generation"]["model"] == "smollm2-135m"


def test_without_libgomp_everything_else_starts_and_one_line_and_the_page_say_what_to_install(
    make: Make,
) -> None:
    machine = make()
    [line] = [line for line in machine.ready().splitlines() if line.startswith("No model: ")]
    assert "apt-get install libgomp1" in line
    found = machine.asked()
    assert "apt-get install libgomp1" in found["page"]
    assert found["generation"]["model"] == "no-model"


def test_make_test_installs_everything_and_the_tests_of_one_folder_pass(make: Make) -> None:
    """What only root can install (a browser, proxies) is named, and its tests are skipped."""
    machine = make(command="make test PYTEST_OPTIONS='-q tests/unit'")
    log = machine.ended()
    assert " passed" in log and "failed" not in log.splitlines()[-1], log
    assert "Debian: apt-get install" in log


@pytest.mark.parametrize("python", PYTHONS)
def test_every_package_has_a_wheel_for_each_python(python: str, tmp_path: Path) -> None:
    for name in ("requirements.txt", "requirements-embedded.txt", "requirements-model.txt"):
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--no-deps"]
        command += ["--target", str(tmp_path), "--python-version", python]
        command += ["--only-binary", ":all:", "-r", str(ROOT / name)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
