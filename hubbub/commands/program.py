"""The commands joined into one program, and what becomes of an error: one sentence and a status.

0    done            1    refused, unreachable, or the generation failed
2    the command makes no sense
130  Ctrl-C          141  whoever read the output had enough
"""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Sequence

import click
from click.shell_completion import get_completion_class, shell_complete

from hub.client.remote import RemoteError, what_to_do
from hub.showing import say
from hub.version import VERSION
from hubbub.commands.channels import listen, publish
from hubbub.commands.doctor import doctor
from hubbub.commands.generations import INTERRUPTED, cancel, generate, ls, tail
from hubbub.commands.top import top

NAME = "hubbub"
REFUSED, SENSELESS, READER_GONE = 1, 2, 141
_COMPLETE = "_HUBBUB_COMPLETE"

ELSEWHERE = {
    "run": """Run everything on this machine: Valkey, a model, web, worker.

    \b
    Examples:
      hubbub run
      PORT=9000 OPENAI_API_KEY=… hubbub run
    """,
    "web": """Run a web process: gunicorn, which takes its own options.

    \b
    Examples:
      REDIS_URL=redis://localhost hubbub web
      REDIS_URL=redis://localhost WEB_CONCURRENCY=2 hubbub web --backlog 4096
    """,
    "worker": """Run a worker.

    \b
    Examples:
      REDIS_URL=redis://localhost OPENAI_API_KEY=… hubbub worker
      REDIS_URL=redis://localhost HUB_GENERATORS=agent=mine.agent:answer hubbub worker
      hubbub worker --check  # say what is wrong with the settings, and end
    """,
    "token": """Mint a token with the hub's secret.

    \b
    Examples:
      HUB_JWT_SECRET=… hubbub token --subscribe news 'user:7:*' --sub 7 --ttl 1h
      HUB_JWT_SECRET=… hubbub token --admin
    """,
}
"""Words that `hubbub.command` takes before they come here; named for --help and completion."""


class _InOrder(click.Group):
    """Lists its commands in the order in which a newcomer meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96}
)
@click.version_option(VERSION, prog_name=NAME, message="%(prog)s %(version)s")
@click.option("--url", metavar="URL", help="The hub, in place of HUB_URL.")
@click.pass_context
def program(context: click.Context, url: str | None) -> None:
    """Run a Hubbub, and talk to one.

    HUB_URL is the hub (http://127.0.0.1:8000 unless set), HUB_TOKEN your token for it.

    \b
    Examples:
      hubbub run
      hubbub generate "Why is the sky blue?"
      hubbub listen news &
      hubbub publish news "It works"
      hubbub doctor https://hub.example.org
    """
    context.obj = url


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print what lets a shell complete the words of hubbub.

    \b
    Examples:
      hubbub completion bash > ~/.local/share/bash-completion/completions/hubbub
      hubbub completion zsh > "${fpath[1]}/_hubbub"
      hubbub completion fish > ~/.config/fish/completions/hubbub.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    say(kind(program, {}, NAME, _COMPLETE).source())
    return 0


def main(arguments: Sequence[str]) -> int:
    """Run one command; its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if instruction := os.environ.get(_COMPLETE):
        return shell_complete(program, {}, NAME, _COMPLETE, instruction)
    logging.getLogger("hub.client").addHandler(_Said())
    logging.getLogger("hub.client").propagate = False
    try:
        with program.make_context(NAME, list(arguments)) as context:
            status: int = program.invoke(context)
            return status
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return SENSELESS
    except click.ClickException as error:
        # A list of choices comes in lines of its own.
        return _complain(" ".join(error.format_message().split()), _see(error), SENSELESS)
    except RemoteError as error:
        return _complain(str(error), what_to_do(error), REFUSED)
    except UnicodeEncodeError:
        return _complain("an argument is not UTF-8", "", SENSELESS)
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # Nothing may be flushed into the pipe at the end, either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE


class _Said(logging.Handler):
    """What the library tells while it waits goes where every other complaint goes."""

    def emit(self, record: logging.LogRecord) -> None:
        _complain(record.getMessage(), "", REFUSED)


def _complain(what: str, to_do: str, status: int) -> int:
    if to_do:
        what = f"{what} ({to_do})" if what.endswith("?") else f"{what.rstrip('.')}; {to_do}"
    say(f"{NAME}: {what.rstrip('.')}", to=sys.stderr)
    return status


def _see(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"see `{context.command_path} --help`" if context else ""


def _elsewhere(name: str, text: str) -> click.Command:
    @click.command(name, help=text)
    def refuse() -> int:
        raise click.UsageError(f"`{name}` has to be the first word: hubbub {name} …")

    return refuse


for _name, _text in ELSEWHERE.items():
    program.add_command(_elsewhere(_name, _text))
for _command in (generate, tail, ls, cancel, publish, listen, top, doctor, completion):
    program.add_command(_command)
