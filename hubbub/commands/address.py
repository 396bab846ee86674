"""Which hub a command talks to, and with which token.

A token comes from `HUB_TOKEN` or a file: on a command line every other process could read it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import click

from hub.client.remote import Remote, RemoteError
from hub.settings import SettingError, Settings

P = ParamSpec("P")

_TOKEN_TO_DO = "`hubbub token` makes one where the hub's secret is"


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


def what_to_do(error: RemoteError, environ: Mapping[str, str]) -> str:
    """The rest of the sentence: what whoever typed the command can do about it; '' for nothing."""
    if error.status == 0:
        return "start one with `hubbub run`, or say with HUB_URL or --url where it is"
    if error.status == 401:
        given = environ.get("HUB_TOKEN", "").strip()
        return f"{'renew' if given else 'set'} HUB_TOKEN or --token-file; {_TOKEN_TO_DO}"
    if error.status == 403 and not error.code.startswith("reserved"):
        return f"the token has to grant it; {_TOKEN_TO_DO}"
    if error.retry_after:
        return f"try again in {error.retry_after} s"
    if error.status == 421:
        return "name the host in the hub's HUB_ALLOWED_HOSTS"
    return ""


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
