"""The reference in docs/commands.md is what `--help` says: `python -m tests.command.page` writes
it anew, and a test holds the page to it."""

from __future__ import annotations

from collections.abc import Iterator

import click

from hubbub.commands.program import NAME, program
from tests.support.real import ROOT

PAGE = ROOT / "docs" / "commands.md"
HEAD = "## Reference\n"


def reference() -> str:
    return "\n".join(_sections())


def _sections() -> Iterator[str]:
    yield "\nWhat `--help` says, by `python -m tests.command.page`.\n"
    for name, command in {"": program, **program.commands}.items():
        words = f"{NAME} {name}".strip()
        context = click.Context(
            command, info_name=words, terminal_width=96, help_option_names=["-h", "--help"]
        )
        yield f"### {words}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"


def main() -> None:
    by_hand = PAGE.read_text().partition(HEAD)[0]
    PAGE.write_text(by_hand + HEAD + reference())


if __name__ == "__main__":
    main()
