"""What a command is given: as an argument, or at its standard input."""

from __future__ import annotations

import re
import sys

import click

from hub.channel import check_channel
from hub.errors import FieldError
from hub.showing import say

UNTIL_CTRL_D = "type it, and end it with Ctrl-D on a line of its own"

_ID = re.compile(r"[A-Za-z0-9._~:@-]{1,117}")


class _Channel(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5 alone
    """Checked here as well: a name with a slash in it is another address."""

    name = "channel"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return check_channel(value)
        except FieldError as error:
            self.fail(f"{value!r}: {error.detail}", param, ctx)


class _GenerationId(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5 alone
    """The id, its channel, or the address of its page."""

    name = "id"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        found = value.rpartition("/g/")[2].removeprefix("generation:")
        if not _ID.fullmatch(found):
            self.fail(f"{value!r} is no generation's id; `hubbub ls` lists them", param, ctx)
        return found


CHANNEL = _Channel()
GENERATION_ID = _GenerationId()


def text(argument: str | None, name: str) -> str:
    """The argument, or standard input where it is `-` or missing, without the line end that
    `echo` adds."""
    if argument is not None and argument != "-":
        return argument
    if sys.stdin is None:
        raise click.ClickException(f"{name} is missing, and standard input is closed")
    if sys.stdin.isatty():
        say(f"{name}: {UNTIL_CTRL_D}", to=sys.stderr)
    try:
        return sys.stdin.buffer.read().decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise click.ClickException(
            f"{name}: standard input is not UTF-8 (byte {error.start})"
        ) from None
