"""`top`: live at a terminal, once in a pipe."""

from __future__ import annotations

import json

from tests.command.conftest import Run, StartTerminal
from tests.command.terminal import CTRL_C
from tests.support.stack import Stack

OTHER_SCREEN, BACK = "\x1b[?1049h", "\x1b[?1049l"


def test_in_a_pipe_it_looks_once_and_moves_no_cursor(run: Run, hub: Stack) -> None:
    done = run("top")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    for line in (hub.url, "listeners ", "redis ", "generations ", "WORKER ", "PROCESS "):
        assert line in done.stdout
    assert json.loads(run("top", "--json").stdout)["figures"]["listeners"] == 0


def test_at_a_terminal_it_goes_on_until_ctrl_c_and_leaves_the_screen_as_it_was(
    terminal: StartTerminal, hub: Stack, channel: str
) -> None:
    shown = terminal("top", "--every", "0.2")
    shown.until("listeners    0")
    with hub.events(channel):
        shown.until("listeners    1")
    shown.press(CTRL_C)
    assert shown.status() == 0
    assert shown.seen.startswith(OTHER_SCREEN)
    assert shown.seen.endswith(BACK) or shown.seen.rstrip("\r\n").endswith(BACK)


def test_at_a_terminal_a_hub_that_is_not_there_is_told_on_the_screen_that_stays(
    terminal: StartTerminal,
) -> None:
    shown = terminal("top", "--url", "http://127.0.0.1:9")
    assert shown.status() == 1
    assert "cannot be reached" in shown.seen and OTHER_SCREEN not in shown.seen
