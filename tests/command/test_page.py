"""docs/commands.md is true: its reference is the help. Its commands: `tests/test_commands.py`."""

from __future__ import annotations

from tests.command.page import HEAD, PAGE, reference


def test_the_reference_is_what_help_says() -> None:
    assert PAGE.read_text().partition(HEAD)[2] == reference(), "python -m tests.command.page"
