"""Which hub a command talks to, and with which token.

A token comes from `HUB_TOKEN` or a file: on a command line every other process could read it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import click

from hub.client.remote import Remote
from hub.settings import SettingError, Settings

P = ParamSpec("P")


def to_a_hub(command: Callable[Concatenate[Remote, P], int]) -> Callable[..., int]:
    """`command` gets the hub as its first argument, and the options that choose it. An argument
    `address` chooses it as well."""

    @click.option("--url", metavar="URL", help="The hub, in place of HUB_URL.")
    @click.option(
        "--token-file",
        metavar="FILE",
        type=click.Path(exists=True, dir_okay=False),
        help="A file with the token, in place of HUB_TOKEN.",
    )
    @click.pass_context
    @wraps(command)
    def run(context: click.Context, /, *args: P.args, **given: P.kwargs) -> int:
        options: dict[str, Any] = given
        url, token_file = options.pop("url"), options.pop("token_file")
        url = options.pop("address", None) or url or context.obj
        with Remote(_url(url), _token(token_file)) as remote:
            return command(remote, *args, **given)

    return run


def _url(given: str | None) -> str:
    value = given or os.environ.get("HUB_URL", "")
    try:
        return Settings.from_environ({"HUB_URL": value}).url
    except SettingError as error:
        said = str(error)
        raise click.ClickException(said.replace("HUB_URL", "--url", 1) if given else said) from None


def _token(file: str | None) -> str:
    """Checked here: the complaint of the library that sends it would print it."""
    source = "HUB_TOKEN"
    token = os.environ.get("HUB_TOKEN", "").strip()
    if file is not None:
        source = f"--token-file {file}"
        try:
            token = Path(file).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            raise click.ClickException(f"{source} cannot be read as a token") from None
    if not all("!" <= char <= "~" for char in token):
        raise click.ClickException(
            f"{source} is not a token: it holds spaces or control characters"
        )
    return token
