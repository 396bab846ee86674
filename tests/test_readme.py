"""The README's commands work as they stand there.

Every block fenced as ```sh is run, in order, by one bash (variables carry over) that stops at the
first failure, against a running stack whose address takes the place of port 8000. Blocks that
start or fetch what is already here (`make`, `docker`, `git clone`) are not run, nor is any block
fenced otherwise. `curl -N` on a stream without an end is ended after a while, as a reader would.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.real import ROOT, missing
from tests.support.stack import Stack, clean_environ

LISTENING_SECONDS = 5
BLOCK_SECONDS = 60
STARTS = re.compile(r"^\s*(make|docker|git clone|gunicorn|\.venv/bin/gunicorn)\b", re.MULTILINE)

CURL = """#!/bin/bash
for argument; do
  case $argument in
    --no-buffer | -[a-zA-Z]*N* | -N)
      {curl} --max-time {seconds} "$@"
      code=$?
      [ $code -eq 28 ] && code=0
      exit $code ;;
  esac
done
exec {curl} "$@"
"""


def blocks(text: str) -> list[str]:
    return [
        block
        for block in re.findall(r"^```sh[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        if not STARTS.search(block)
    ]


def at_the_address_of(command: str, port: int) -> str:
    """The commands of a reader whose hub listens on `port`, in the environment of the tests."""
    moved = re.sub(r"\b(127\.0\.0\.1|localhost):8000\b", f"127.0.0.1:{port}", command)
    return moved.replace(".venv/bin/", f"{sys.prefix}/bin/")


def test_blocks_are_found_and_those_that_start_something_are_left_out() -> None:
    text = "```sh\nmake run\n```\n```sh\ncurl a\nls\n```\n```console\n$ no\n```\n```sh\nls\n```\n"
    assert blocks(text) == ["curl a\nls\n", "ls\n"]


def test_commands_go_to_the_running_stack() -> None:
    moved = at_the_address_of("curl localhost:8000/x http://127.0.0.1:8000 :18000", 7)
    assert moved == "curl 127.0.0.1:7/x http://127.0.0.1:7 :18000"


@pytest.mark.slow
def test_the_readme_s_commands_work(stack: Callable[..., Stack], tmp_path: Path) -> None:
    readme = ROOT / "README.md"
    if not readme.exists():
        missing("README.md")
    curl = shutil.which("curl") or missing("curl")
    found = blocks(readme.read_text())
    assert found, "no ```sh block to try"
    hub = stack()
    port = hub.web.reserved.number
    shim = tmp_path / "bin" / "curl"
    shim.parent.mkdir()
    shim.write_text(CURL.format(curl=curl, seconds=LISTENING_SECONDS))
    shim.chmod(0o755)
    script = "\n".join(
        f"echo '--- block {number}'\n{at_the_address_of(block, port)}"
        for number, block in enumerate(found, 1)
    )
    env = {
        **clean_environ(),
        "PATH": f"{shim.parent}:{sys.prefix}/bin:{os.environ['PATH']}",
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
        timeout=BLOCK_SECONDS * len(found),
    )
    assert done.returncode == 0, f"{script}\n=== printed\n{done.stdout[-8000:]}"
