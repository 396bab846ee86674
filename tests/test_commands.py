"""The commands that the README and the pages of docs/ show work as they stand there.

Every block fenced as ```sh is run, those of a page in order, by one bash (variables carry over)
that stops at the first failure, against a running stack whose address takes the place of port
8000. Blocks that install or start something (`make`, `docker`, a worker) are not run. `curl -N` on
a stream is ended after its first event, as a reader would.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.deadline import patience
from tests.support.real import ROOT, missing
from tests.support.shared import Shared, shared_stack
from tests.support.stack import clean_environ

BLOCK_SECONDS = 60
STARTS = re.compile(
    r"^\s*([A-Z_]+=\S+ )*(make|docker|git clone|python3 -m venv|hubbub (run|web|worker)"
    r"|(\.venv/bin/)?(gunicorn|python -m workers))\b",
    re.MULTILINE,
)
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROXIES = {"apache", "caddy", "haproxy", "nginx"}
NO_COMMANDS = PROXIES | {"console", "html", "js", "json", "jsx", "python", "text", "toml", "yaml"}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

CURL = """#!/bin/bash
for argument; do
  case $argument in
    -N)
      {curl} --max-time 120 "$@" | head -n 4
      code=${{PIPESTATUS[0]}}
      [ $code -eq 23 ] && code=0
      exit $code ;;
  esac
done
exec {curl} "$@"
"""
HUBBUB = """#!/bin/sh
exec {python} -m hubbub "$@"
"""


def blocks(text: str) -> list[str]:
    """What a reader types, but for what is here already."""
    return [
        block
        for language, block in FENCE.findall(text)
        if language == "sh" and not STARTS.search(block)
    ]


def at_the_address_of(command: str, port: int) -> str:
    """The commands of a reader whose hub listens on `port`, in the environment of the tests."""
    moved = re.sub(r"\b(127\.0\.0\.1|localhost):8000\b", f"127.0.0.1:{port}", command)
    return moved.replace(".venv/bin/", f"{sys.prefix}/bin/")


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    # A program whose reader has gone notices when it next writes.
    with shared_stack({"HUB_HEARTBEAT_SECONDS": "1"}) as shared:
        yield shared


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`curl` and `hubbub`, for a PATH."""
    curl = shutil.which("curl") or missing("curl")
    place = tmp_path_factory.mktemp("bin")
    for name, text in (
        ("curl", CURL.format(curl=curl)),
        ("hubbub", HUBBUB.format(python=sys.executable)),
    ):
        (place / name).write_text(text)
        (place / name).chmod(0o755)
    return place


def test_blocks_are_found_and_those_that_start_something_are_left_out() -> None:
    text = "```sh\nmake run\n```\n```sh\ncurl a\nls\n```\n```console\n$ no\n```\n```sh\nls\n```\n"
    assert blocks(text) == ["curl a\nls\n", "ls\n"]
    assert blocks("```sh\nPORT=1 A=b hubbub run\n```\n```sh\nA=b ls\n```\n") == ["A=b ls\n"]


def test_commands_go_to_the_running_stack() -> None:
    moved = at_the_address_of("curl localhost:8000/x http://127.0.0.1:8000 :18000", 7)
    assert moved == "curl 127.0.0.1:7/x http://127.0.0.1:7 :18000"


def test_all_commands_are_fenced_so_that_they_are_run() -> None:
    for page in PAGES:
        fences = {language for language, _ in FENCE.findall(page.read_text())}
        assert fences - NO_COMMANDS <= {"sh"}, page.name


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page.read_text())], ids=lambda page: page.stem
)
def test_the_commands_of_a_page_work(page: Path, shared: Shared, programs: Path) -> None:
    hub = shared.hub
    found = blocks(page.read_text())
    script = "\n".join(
        f"echo '--- block {number}'\n{at_the_address_of(block, hub.web.reserved.number)}"
        for number, block in enumerate(found, 1)
    )
    env = {
        **clean_environ(),
        "PATH": f"{programs}:{sys.prefix}/bin:{os.environ['PATH']}",
        "HUB_URL": hub.web.url,
        "REDIS_URL": hub.env["REDIS_URL"],
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BLOCK_SECONDS * len(found) * patience(),
    )
    assert done.returncode == 0, f"{script}\n=== printed\n{done.stdout[-8000:]}"
