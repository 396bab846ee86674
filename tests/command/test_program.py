"""What holds for every command: which hub, which token, errors, help, completion."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import click
import pytest

from hub.client.remote import RemoteError, pause_seconds, what_to_do
from hubbub.commands.program import ELSEWHERE, program
from tests.access.signing import SECRET
from tests.command.conftest import COMMAND, Run, Start, environ
from tests.conftest import StartStack
from tests.support.deadline import patience
from tests.support.provider import ScriptedProvider
from tests.support.real import ROOT
from tests.support.stack import Stack

TOKEN = "a-token-that-nobody-may-see"


class Asked:
    """A server that keeps the heads of what it is asked, and refuses it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.tokens: list[str | None] = []


@contextmanager
def refusing(status: int) -> Iterator[Asked]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.tokens.append(self.headers["Authorization"])
            self.send_response(status)
            self.send_header("Retry-After", "12")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        asked = Asked(f"http://127.0.0.1:{server.server_port}")
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield asked
        server.shutdown()


def test_what_the_hub_refuses_is_said_in_its_words(run: Run, channel: str) -> None:
    done = run("publish", channel, "x", "--event", "heartbeat")
    assert (done.returncode, done.stdout) == (1, "")
    assert "reserved-event-type" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [("ls",), ("publish", "news", "x"), ("generate", "x"), ("top",)])
def test_a_hub_that_is_not_there_is_said_with_what_to_do(run: Run, words: tuple[str, ...]) -> None:
    done = run(*words, at="http://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "hubbub: http://127.0.0.1:9 cannot be reached: Connection refused"
    )
    assert "HUB_URL" in done.stderr and done.stderr.count("\n") == 1


def test_the_hub_is_chosen_before_or_behind_the_command(run: Run, hub: Stack) -> None:
    elsewhere = "http://127.0.0.1:9"
    assert run("--url", hub.url, "ls", at=elsewhere).returncode == 0
    assert run("ls", "--url", hub.url, at=elsewhere).returncode == 0
    done = run("ls", "--url", "ftp://x")
    assert (done.returncode, done.stderr) == (
        2,
        "hubbub: --url must be an http:// or https:// URL\n",
    )


@pytest.mark.sets_keys
def test_the_token_comes_from_the_environment_or_a_file_and_is_never_shown(
    run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    with refusing(403) as asked:
        by_file = run("ls", "--token-file", str(file), at=asked.url, HUB_TOKEN="another")
        by_environment = run("ls", at=asked.url, HUB_TOKEN=TOKEN)
        without = run("ls", at=asked.url)
    assert asked.tokens == [f"Bearer {TOKEN}", f"Bearer {TOKEN}", None]
    for done in (by_file, by_environment, without):
        assert done.returncode == 1 and TOKEN not in done.stdout + done.stderr
        assert "hubbub token" in done.stderr


def test_a_token_that_cannot_be_one_is_refused_without_showing_it(run: Run) -> None:
    done = run("ls", HUB_TOKEN=f"{TOKEN} \x07é")
    assert done.returncode == 2 and "HUB_TOKEN" in done.stderr and TOKEN not in done.stderr


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (0, "", "hubbub run"),
        (401, "", "HUB_TOKEN"),
        (403, "not-granted", "grant"),
        (429, "too-many", "try again in 12 s"),
        (503, "redis-unavailable", "try again in 12 s"),
        (421, "unknown-host", "HUB_ALLOWED_HOSTS"),
    ],
)
def test_every_refusal_comes_with_what_to_do(status: int, code: str, said: str) -> None:
    retry_after = "12" if status in (429, 503) else ""
    error = RemoteError("no", status=status, code=code, retry_after=retry_after)
    assert said in what_to_do(error)
    assert not what_to_do(RemoteError("no", status=400))


def test_an_address_without_a_hub_is_not_taken_for_a_missing_generation() -> None:
    assert "HUB_URL" in what_to_do(RemoteError("There is nothing at this address", status=404))
    assert "hubbub ls" in what_to_do(RemoteError("there is no generation 'x'", status=404))


def test_the_pauses_between_tries_grow_to_a_bound_and_stay_there() -> None:
    assert [pause_seconds(2.0, failures) for failures in (0, 1, 2, 9, 100_000)] == [2, 4, 8, 15, 15]


def test_something_that_is_no_hub_is_told(run: Run, channel: str) -> None:
    with refusing(200) as asked:
        done = run("ls", at=asked.url)
    assert done.returncode == 1 and "is a hub there?" in done.stderr


def test_a_command_that_makes_no_sense_is_2_and_names_the_help(run: Run) -> None:
    for words in (
        ("nonsense",),
        ("publish",),
        ("ls", "--nonsense"),
        ("completion",),
        ("token", "--ttl"),
    ):
        done = run(*words)
        assert done.returncode == 2 and done.stdout == ""
        assert done.stderr.startswith("hubbub: ") and "--help`" in done.stderr
        assert done.stderr.count("\n") == 1


def test_words_are_completed(run: Run) -> None:
    done = run(_HUBBUB_COMPLETE="bash_complete", COMP_WORDS="hubbub t", COMP_CWORD="1")
    assert {line.split(",")[1] for line in done.stdout.split()} == {"tail", "token", "top"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(run: Run, shell: str) -> None:
    done = run("completion", shell)
    assert done.returncode == 0 and "_HUBBUB_COMPLETE" in done.stdout
    if shell == "bash":
        subprocess.run(
            ["bash", "-n"], input=done.stdout, text=True, check=True, timeout=20 * patience()
        )


def test_the_version_is_told(run: Run) -> None:
    assert run("--version").stdout.startswith("hubbub ")


@pytest.mark.parametrize("name", program.commands)
def test_every_command_teaches_by_example(name: str) -> None:
    command = program.commands[name]
    # click keeps a command's help option: these names are those of `program`.
    context = click.Context(command, info_name=f"hubbub {name}", help_option_names=["-h", "--help"])
    text = command.get_help(context)
    assert re.search(rf"hubbub {name}\b", text.partition("Example")[2])


def test_servers_are_named_and_have_to_be_the_first_word(run: Run, hub: Stack) -> None:
    done = run("--url", hub.url, "worker")
    assert done.returncode == 2 and "has to be the first word" in done.stderr
    for name in ELSEWHERE:
        told = run(name, "--help")
        assert told.returncode == 0
        assert f"hubbub {name}" in told.stdout.lower().partition("examples:")[2]


def test_a_prompt_is_asked_for_where_there_is_no_standard_input(hub: Stack) -> None:
    closed = f'exec "{COMMAND[0]}" -m hub generate <&-'
    done = subprocess.run(
        ["sh", "-c", closed], cwd=ROOT, env=environ(hub, {}), capture_output=True, timeout=60
    )
    assert done.returncode == 2 and done.stderr.startswith(b"hubbub: PROMPT is missing")


@pytest.mark.sets_keys
def test_a_hub_with_keys_is_used_with_a_token_and_says_so_without(
    stack: StartStack, run: Run, provider: ScriptedProvider, channel: str
) -> None:
    own = stack(env={"HUB_JWT_SECRET": SECRET}, provider=provider.base_url)
    rights = ["--admin", "--subscribe", "*", "--publish", "*", "--generate", "--sub", "me"]
    token = run("token", *rights, HUB_JWT_SECRET=SECRET).stdout.strip()

    for words in (("ls",), ("publish", channel, "x"), ("top",), ("generate", "x")):
        without = run(*words, at=own)
        assert without.returncode == 1 and "HUB_TOKEN" in without.stderr
        assert run(*words, at=own, HUB_TOKEN=token).returncode == 0
    doctor = run("doctor", at=own, HUB_TOKEN=token)
    assert doctor.returncode == 0 and "who may use it: a token is asked for" in doctor.stdout


def test_ctrl_c_ends_a_command_without_a_traceback(start: Start, channel: str) -> None:
    process = start("publish", channel)
    process.send_signal(2)
    assert "Traceback" not in process.communicate(timeout=20 * patience())[1]
