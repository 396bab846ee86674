"""`python -m hub …` as a process, as people and scripts run it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import StartStack
from tests.support.deadline import eventually
from tests.support.provider import Gate, Script, ScriptedProvider, text_for
from tests.support.real import ROOT
from tests.support.stack import Stack, clean_environ

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]


def command(hub: Stack, arguments: tuple[str, ...]) -> dict[str, object]:
    return {
        "args": [sys.executable, "-m", "hub", *arguments],
        "cwd": ROOT,
        "env": {**clean_environ(), "HUB_URL": hub.url},
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }


def run(hub: Stack, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(**command(hub, arguments), input=stdin, timeout=60)  # type: ignore[call-overload, no-any-return]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def go(hub: Stack, *arguments: str) -> subprocess.Popen[str]:
        process: subprocess.Popen[str] = subprocess.Popen(**command(hub, arguments))  # type: ignore[call-overload]
        started.append(process)
        return process

    yield go
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def hub(stack: StartStack) -> Stack:
    return stack(workers=0)


def listeners(hub: Stack, channel: str) -> int:
    found: int = hub.get(f"/channels/{channel}").json()["listeners"]
    return found


def test_publish_prints_the_id_under_which_the_event_is_stored(hub: Stack) -> None:
    done = run(hub, "publish", "news", "good news", "--event", "notice")

    (event,) = hub.get("/channels/news/history").json()["events"]
    assert (done.returncode, done.stdout.strip()) == (0, event["id"])
    assert (event["event"], event["data"]) == ("notice", "good news")


def test_publish_reads_standard_input(hub: Stack) -> None:
    run(hub, "publish", "news", "-", stdin="two\nlines")

    assert hub.get("/channels/news/history").json()["events"][0]["data"] == "two\nlines"


def test_what_the_hub_refuses_is_said_in_its_words(hub: Stack) -> None:
    done = run(hub, "publish", "news", "x", "--event", "heartbeat")

    assert done.returncode == 1
    assert done.stdout == ""
    assert "reserved-event-type" in done.stderr
    assert "Traceback" not in done.stderr


def test_data_that_is_said_to_be_json_must_be(hub: Stack) -> None:
    assert run(hub, "publish", "news", "{", "--json").returncode == 2
    assert run(hub, "publish", "news", '{"a": 1}', "--json").returncode == 0
    assert hub.get("/channels/news/history").json()["events"][0]["data"] == '{"a":1}'


def test_a_hub_that_is_not_there_is_said_so(hub: Stack) -> None:
    done = run(hub, "--url", "http://127.0.0.1:9", "publish", "news", "x")

    assert done.returncode == 1
    assert "cannot be reached" in done.stderr


def test_listen_prints_events_as_they_come(hub: Stack, start: Start) -> None:
    process = start(hub, "listen", "news", "--count", "2")
    eventually(lambda: listeners(hub, "news") == 1)
    hub.publish("news", "one")
    hub.publish("news", {"n": 2}, event="notice")

    out, err = process.communicate(timeout=20)

    assert (process.returncode, err) == (0, "")
    assert out == 'one\nnotice: {"n":2}\n'


def test_listen_goes_on_over_a_restart_of_the_hub_and_loses_nothing(
    hub: Stack, start: Start
) -> None:
    process = start(hub, "listen", "news", "sport", "--json", "--count", "4")
    eventually(lambda: listeners(hub, "news") == 1)
    hub.publish("news", "1")
    hub.publish("sport", "2")
    hub.web.kill()
    hub.web.start()
    hub.publish("news", "3")
    hub.publish("sport", "4")

    out, _ = process.communicate(timeout=30)

    assert [json.loads(line)["data"] for line in out.splitlines()] == ["1", "2", "3", "4"]


def test_listen_says_when_history_was_lost(hub: Stack, start: Start) -> None:
    event_id = hub.publish("news", "1")
    hub.delete("/channels/news")
    process = start(hub, "listen", "news", "--after", event_id, "--count", "1")
    eventually(lambda: listeners(hub, "news") == 1)
    hub.publish("news", "2")

    out, _ = process.communicate(timeout=20)
    assert out == "2\n"

    process = start(hub, "listen", "news", "--after", "elsewhere", "--from", "start", "--count=1")
    out, err = process.communicate(timeout=20)
    assert "unknown-id" in err


def test_generate_prints_the_answer_byte_for_byte(
    stack: StartStack, provider: ScriptedProvider
) -> None:
    done = run(stack(), "generate", "tell me")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == text_for("tell me") + "\n"


def test_generate_says_why_there_is_no_answer(
    stack: StartStack, provider: ScriptedProvider
) -> None:
    provider.scripts["no"] = Script(status=401, error={"error": {"message": "bad key"}})

    done = run(stack(), "generate", "no")

    assert done.returncode == 1
    assert "failed" in done.stderr


def test_ctrl_c_cancels_what_was_asked(
    stack: StartStack, provider: ScriptedProvider, start: Start
) -> None:
    gate = Gate()
    provider.scripts["slow"] = Script(text="some text", gate=gate)
    hub = stack()
    process = start(hub, "generate", "slow")
    gate.release(1)
    assert process.stdout is not None
    assert process.stdout.read(4) == "some"

    process.send_signal(signal.SIGINT)

    process.communicate(timeout=20)
    assert process.returncode == 130
    (found,) = hub.get("/generations").json()["generations"]
    assert found["status"] == "cancelled"


def test_the_doctor_finds_a_healthy_hub_well(stack: StartStack) -> None:
    done = run(stack(), "doctor")

    assert done.returncode == 0, done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["ok"] * 6


def test_the_doctor_says_what_is_wrong(hub: Stack) -> None:
    done = run(hub, "doctor", hub.url)

    assert done.returncode == 1
    assert "no worker" in done.stdout
    assert run(hub, "doctor", "http://127.0.0.1:9").returncode == 1
