"""`generate`, `tail`, `ls` and `cancel`, in a pipe and at a terminal."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import pytest

from tests.command.conftest import Run, Start, StartTerminal
from tests.command.terminal import CTRL_C, CTRL_D
from tests.conftest import StartStack
from tests.support.deadline import eventually, patience
from tests.support.provider import Gate, Script, ScriptedProvider, text_for
from tests.support.stack import Stack

ESCAPE = "\x1b"


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def slow(provider: ScriptedProvider, gate: Gate) -> str:
    """A prompt whose answer begins with "some" and goes on when the gate is opened."""
    provider.scripts["slow"] = Script(text="some text", gate=gate)
    gate.release(1)
    return "slow"


def newest(hub: Stack) -> str:
    found: str = hub.get("/generations?limit=1").json()["generations"][0]["id"]
    return found


def printed(done: subprocess.CompletedProcess[str], text: str) -> None:
    """What a failure says is said by all three: an empty output alone has no cause."""
    assert (done.returncode, done.stderr, done.stdout) == (0, "", f"{text}\n")


def test_generate_prints_the_answer_byte_for_byte_and_nothing_else(run: Run) -> None:
    printed(run("generate", "tell me"), text_for("tell me"))


@pytest.mark.parametrize("words", [(), ("-",)])
def test_the_prompt_may_come_from_standard_input(
    run: Run, provider: ScriptedProvider, words: tuple[str, ...]
) -> None:
    assert run("generate", *words, "--system", "be brief", stdin="tell me\n").returncode == 0
    messages = provider.requests[-1]["messages"]
    assert [message["content"] for message in messages] == ["be brief", "tell me"]


def test_generate_says_why_there_is_no_answer(run: Run, provider: ScriptedProvider) -> None:
    provider.scripts["no"] = Script(status=401, error={"error": {"message": "bad key"}})
    done = run("generate", "no")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("hubbub: failed: ") and done.stderr.count("\n") == 1


def test_json_gives_every_event_on_a_line(run: Run) -> None:
    lines = [json.loads(line) for line in run("generate", "x", "--json").stdout.splitlines()]
    assert [lines[0]["event"], lines[-1]["event"]] == ["started", "completed"]
    text = "".join(one["data"].get("content", "") for one in lines if one["event"] == "delta")
    assert text == text_for("x")


def test_detach_prints_the_id_and_tail_the_answer(run: Run, hub: Stack) -> None:
    generation_id = run("generate", "x", "--detach").stdout.strip()
    assert hub.finished(generation_id)["status"] == "completed"
    printed(run("tail", generation_id), text_for("x"))


def test_tail_from_now_says_that_all_is_over(run: Run, hub: Stack) -> None:
    generation_id = hub.generate("x")
    hub.finished(generation_id)
    done = run("tail", generation_id, "--from", "now")
    assert (done.returncode, done.stdout) == (0, "")
    assert f"hubbub tail {generation_id}" in done.stderr


def test_tail_follows_to_the_end(run: Run, start: Start, hub: Stack, slow: str, gate: Gate) -> None:
    process = start("tail", hub.generate(slow))
    assert process.stdout is not None and process.stdout.read(4) == "some"
    gate.open()
    assert process.communicate(timeout=20 * patience()) == (" text\n", "")


def test_ls_is_tabs_in_a_pipe_and_one_line_for_each(
    run: Run, hub: Stack, provider: ScriptedProvider
) -> None:
    generation_id = hub.generate("two\nlines\x1b[31m")
    hub.finished(generation_id)
    row = run("ls").stdout.splitlines()[0].split("\t")
    assert (row[0], row[1], row[4]) == (generation_id, "completed", "two lines\x1b[31m")
    assert json.loads(run("ls", "--json", "--limit", "1").stdout)["id"] == generation_id


def test_cancel_stops_what_runs(run: Run, hub: Stack, slow: str) -> None:
    generation_id = hub.generate(slow)
    done = run("cancel", generation_id)
    assert (done.returncode, done.stdout) == (0, f"{generation_id}\tcancelled\n")
    assert hub.generation(generation_id)["status"] == "cancelled"


@pytest.mark.parametrize("command", ["tail", "cancel"])
def test_an_unknown_generation_is_said_in_one_sentence(run: Run, command: str) -> None:
    done = run(command, "never-was")
    assert done.returncode == 1
    assert done.stderr.startswith("hubbub: there is no ") and done.stderr.count("\n") == 1
    done = run(command, "never/was")
    assert done.returncode == 2 and "hubbub ls" in done.stderr


@pytest.mark.parametrize("name", ["generation:{}", "http://127.0.0.1:8000/hub/g/{}"])
def test_a_generation_is_named_by_its_channel_or_its_page_too(
    run: Run, hub: Stack, name: str
) -> None:
    generation_id = hub.generate("x")
    printed(run("tail", name.format(generation_id)), text_for("x"))


def test_sigint_cancels_what_was_asked(start: Start, hub: Stack, slow: str) -> None:
    process = start("generate", slow)
    assert process.stdout is not None and process.stdout.read(4) == "some"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20 * patience())
    assert (process.returncode, err.strip()) == (130, "cancelled")
    assert hub.generation(newest(hub))["status"] == "cancelled"


def test_at_a_terminal_the_last_line_tells_state_pace_and_the_way_back(
    terminal: StartTerminal, hub: Stack
) -> None:
    shown = terminal("generate", "tell me")
    assert shown.status() == 0
    last = shown.seen.strip().splitlines()[-1]
    assert last.startswith("completed · scripted · ") and "tokens/s" in last
    assert last.endswith(f"hubbub tail {newest(hub)}")


MARKDOWN = """# Tides

The *moon* pulls, see [the page](https://example.org/tides).

```python
high = "water"

low = "sand"
```

| port | metres |
| --- | --: |
| Brest | 7.5 |

1. one

2. two

\x1b]0;title\x07 ends it
"""


def test_at_a_terminal_markdown_is_rendered_block_by_block_whatever_the_cuts(
    terminal: StartTerminal, provider: ScriptedProvider
) -> None:
    cuts = [MARKDOWN[at : at + 3] for at in range(0, len(MARKDOWN), 3)]
    provider.scripts["tides"] = Script(deltas=cuts)
    shown = terminal("generate", "tides")
    assert shown.status() == 0
    lines = [line.rstrip() for line in plain(shown.seen).splitlines()]
    for once in ('high = "water"', 'low = "sand"', "Brest"):
        assert sum(once in line for line in lines) == 1
    text = "\n".join(lines)
    assert "# Tides" not in text and "```" not in text and "| ---" not in text
    assert "the page (https://example.org/tides)" in text
    assert " 1 one" in text and " 2 two" in text
    assert "\\x1b]0;title\\x07 ends it" in text and "\x1b]0" not in shown.seen
    # What was finished is printed, and then stays: nothing is drawn over it.
    assert text.index("Tides") < text.index("high") < text.index("Brest") < text.index("two")


def plain(seen: str) -> str:
    """What stands on the terminal at the end: what was drawn over is gone, colours are too."""
    lines: list[str] = [""]
    at = 0
    for part in re.split(r"(\x1b\[[\d;?]*[A-Za-z]|\r|\n)", seen):
        if part == "\n":
            at += 1
            lines[at:] = lines[at:] or [""]
        elif part == "\r":
            pass  # each line is written whole, or erased first
        elif part == "\x1b[2K":
            lines[at] = ""
        elif move := re.fullmatch(r"\x1b\[(\d+)A", part):
            at -= int(move[1])
        elif not part.startswith("\x1b["):
            lines[at] += part
    return "\n".join(lines)


def test_ctrl_c_cancels_the_generation(terminal: StartTerminal, hub: Stack, slow: str) -> None:
    shown = terminal("generate", slow)
    shown.until("some")
    shown.press(CTRL_C)
    shown.until("cancelled")
    assert shown.status() == 130
    assert hub.generation(newest(hub))["status"] == "cancelled"


def test_ctrl_d_leaves_it_running_and_says_how_to_come_back(
    terminal: StartTerminal, run: Run, hub: Stack, slow: str, gate: Gate
) -> None:
    shown = terminal("generate", slow)
    shown.until("some")
    shown.press(CTRL_D)
    generation_id = newest(hub)
    shown.until(f"hubbub tail {generation_id}")
    assert shown.status() == 0
    assert hub.generation(generation_id)["status"] == "running"
    gate.open()
    printed(run("tail", generation_id), "some text")


def test_in_the_background_nothing_stops_it(terminal: StartTerminal) -> None:
    job = 'set -m; "$0" -m hub generate "tell me" & wait %1; echo "ended: $?"'
    shown = terminal(command=["bash", "-c", job, sys.executable])
    shown.until("ended: 0")
    assert shown.status() == 0 and "word39" in shown.seen


def test_what_an_answer_waits_for_is_told(
    terminal: StartTerminal, own_hub: Stack, hub: Stack, provider: ScriptedProvider, gate: Gate
) -> None:
    own_hub.generate("first")
    queued = terminal("generate", "second", at=own_hub)
    provider.scripts["unbegun"] = Script(text="text", gate=gate)
    unbegun = terminal("generate", "unbegun")
    queued.until("[queued, 1 before it; Ctrl-D leaves it there]")
    queued.press(CTRL_D)
    assert queued.status() == 0
    unbegun.until("[the model has not begun yet]")
    gate.open()
    assert unbegun.status() == 0 and "text" in unbegun.seen


def test_keys_are_left_to_the_pager_behind_a_pipe(
    terminal: StartTerminal, hub: Stack, slow: str, gate: Gate
) -> None:
    generation_id = hub.generate(slow)
    script = (
        f'"$0" -m hub tail {generation_id} | {{ read line < /dev/tty; echo "got $line"; cat; }}'
    )
    shown = terminal(command=["sh", "-c", script, sys.executable])
    eventually(lambda: hub.generation(generation_id)["listeners"] == 1)
    shown.press(b"a key\n")
    shown.until("got a key")
    gate.open()
    shown.until(" text")  # the line with the state comes past the pager, and may stand in between
    assert "some" in shown.seen
    assert shown.status() == 0


def test_ctrl_c_at_tail_stops_the_watching_alone(
    terminal: StartTerminal, hub: Stack, slow: str, gate: Gate
) -> None:
    generation_id = hub.generate(slow)
    shown = terminal("tail", generation_id)
    shown.until("some")
    shown.press(CTRL_C)
    assert shown.status() == 130
    assert hub.generation(generation_id)["status"] == "running"
    gate.open()


def test_control_characters_of_an_answer_reach_no_terminal(
    terminal: StartTerminal, run: Run, hub: Stack, provider: ScriptedProvider
) -> None:
    provider.scripts["evil"] = Script(text="a\x1b]0;title\x07b\x1b[2J")
    assert run("generate", "evil").stdout == "a\x1b]0;title\x07b\x1b[2J\n"
    shown = terminal("generate", "evil")
    assert shown.status() == 0
    assert f"{ESCAPE}]" not in shown.seen and f"{ESCAPE}[2J" not in shown.seen
    assert r"a\x1b]0;title\x07b" in shown.seen
    hub.finished(hub.generate("two\x1b[31m words " * 20))
    listed = terminal("ls", COLUMNS="60")
    assert listed.status() == 0 and ESCAPE not in listed.seen
    assert max(len(line) for line in listed.seen.splitlines()) == 60


def test_generate_goes_on_over_a_restart_of_the_hub(
    stack: StartStack, provider: ScriptedProvider, start: Start, slow: str, gate: Gate
) -> None:
    own = stack(provider=provider.base_url)
    process = start("generate", slow, at=own)
    assert process.stdout is not None and process.stdout.read(4) == "some"
    own.web.kill()
    own.web.start()
    gate.open()
    out, _ = process.communicate(timeout=30 * patience())
    assert (process.returncode, out) == (0, " text\n")


def test_a_generation_that_is_queued_can_be_left_and_found(own_hub: Stack, run: Run) -> None:
    generation_id = run("generate", "x", "--detach", at=own_hub).stdout.strip()
    eventually(lambda: generation_id in run("ls", at=own_hub).stdout)
    assert run("cancel", generation_id, at=own_hub).stdout == f"{generation_id}\tcancelled\n"
