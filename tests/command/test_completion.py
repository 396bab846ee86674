"""Each shell itself completes the words of `hubbub`, at a terminal, with what it was given."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.command.conftest import Run
from tests.command.terminal import Terminal
from tests.support.real import ROOT, missing
from tests.support.stack import clean_environ

PLACES = {
    "bash": ".local/share/bash-completion/completions/hubbub",
    "zsh": "functions/_hubbub",
    "fish": ".config/fish/completions/hubbub.fish",
}
"""Where `hubbub completion --help` puts it, in the home folder of this test."""

STARTS = {
    "bash": (("bash", "--norc", "-i"), f". ~/{PLACES['bash']}"),
    "zsh": (("zsh", "-f", "-i"), "fpath=(~/functions $fpath); autoload -Uz compinit; compinit -u"),
    "fish": (("fish", "-i"), "true"),
}


@pytest.mark.slow
@pytest.mark.parametrize("shell", PLACES)
def test_a_shell_completes_a_command_and_an_option(run: Run, tmp_path: Path, shell: str) -> None:
    if not shutil.which(shell):
        missing(f"{shell} (.ci/proxies)")
    place = tmp_path / PLACES[shell]
    place.parent.mkdir(parents=True)
    place.write_text(run("completion", shell).stdout)
    command = tmp_path / "bin" / "hubbub"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m hubbub "$@"\n')
    command.chmod(0o755)
    env = clean_environ()
    env |= {"HOME": str(tmp_path), "PATH": f"{command.parent}:{env['PATH']}", "PS1": "> "}
    words, begins = STARTS[shell]
    terminal = Terminal(words, tmp_path, env)
    try:
        terminal.press(f"{begins}; echo it is re''ady\n".encode())
        terminal.until("it is ready")
        # A shell that completes nothing runs `hubbub tok --he`, which is no command.
        terminal.press(b"hubbub tok\t--he\t\n")
        terminal.until("usage: hubbub token")
    finally:
        terminal.close()
