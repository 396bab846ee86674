"""`make run`: everything starts, says what it is, and leaves nothing behind however it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
import requests

from hubbub.launcher import A_LITTLE_SECONDS
from hubbub.parts import valkey as embedded
from tests.support.launch import (
    BY_PYTHON,
    Launched,
    Launches,
    interrupt_as_a_terminal_does,
    refusal,
)
from tests.support.process import Process, ReservedPort
from tests.support.provider import Gate, Script, ScriptedProvider
from tests.support.real import ROOT, model_path
from tests.support.stack import Web, clean_environ, descendants
from tests.support.stream import EventStream
from tests.support.valkey import Valkey

GUNICORN = (sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "app:app")


@pytest.fixture
def launch(tmp_path: Path, processes: list[Process]) -> Launches:
    return Launches(tmp_path, processes)


@pytest.fixture
def light(provider: ScriptedProvider) -> dict[str, str]:
    """Settings that spare the local model."""
    return {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "a-key"}


def _remember(url: str, value: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.set("remember", value)


def _remembered(url: str) -> object:
    with redis.Redis.from_url(url) as client:
        return client.get("remember")


# --- how it starts


@pytest.mark.slow
@pytest.mark.model
def test_one_command_starts_every_part_and_says_where_and_what_it_is(launch: Launches) -> None:
    model_path()
    launched = launch({}).ready()
    assert requests.get(f"{launched.url}/readyz", timeout=5).status_code == 200
    with redis.Redis.from_url(launched.redis_url) as client:
        assert client.ping()
    for part in ("valkey", "model", "worker", "web"):
        assert launched.runs(part)
    assert "SmolLM2-135M" in launched.log() and "often wrong" in launched.log()


@pytest.mark.slow
def test_a_part_that_a_setting_names_is_not_started(
    launch: Launches, light: dict[str, str], valkey: Valkey
) -> None:
    launched = launch({**light, "REDIS_URL": valkey.url}).ready()
    assert launched.redis_url == valkey.url
    assert not launched.runs("valkey") and not launched.runs("model")


@pytest.mark.slow
def test_without_a_local_model_one_line_says_what_to_set_and_the_rest_runs(
    launch: Launches, tmp_path: Path
) -> None:
    program = (
        "import sys, pathlib; from hubbub import launcher; from hubbub.parts import model;"
        f"model.PATH = pathlib.Path({str(tmp_path)!r}); model.PACKAGES = ('no_such_package',);"
        "sys.exit(launcher.main())"
    )
    launched = launch({}, (sys.executable, "-c", program)).ready()
    [line] = [line for line in launched.log().splitlines() if "no local model" in line]
    assert "OPENAI_BASE_URL" in line and "OPENAI_API_KEY" in line
    asked = requests.post(f"{launched.url}/generations", json={"prompt": "hello"}, timeout=5)
    with EventStream(f"{launched.url}{asked.json()['events']}", timeout=30) as stream:
        assert json.loads(stream.next("failed").data)["code"] == "provider-unavailable"


@pytest.mark.parametrize(
    ("env", "names"),
    [
        ({"PORT": "eighty"}, "PORT"),
        ({"HUB_HEARTBEAT_SECONDS": "0"}, "HUB_HEARTBEAT_SECONDS"),
        ({"HOST": "0.0.0.0"}, "HUB_ALLOW_ANONYMOUS=1"),
        ({"REDIS_URL": "http://127.0.0.1"}, "REDIS_URL"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it_and_nothing_is_started(
    env: dict[str, str], names: str
) -> None:
    status, output = refusal(env, BY_PYTHON)
    assert status == 2
    assert len(output.splitlines()) == 1 and names in output


@pytest.mark.slow
def test_a_port_that_is_taken_is_one_line_that_says_what_to_set() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, output = refusal({"PORT": str(taken.getsockname()[1])}, BY_PYTHON)
    assert status == 1
    [line] = [line for line in output.splitlines() if line.startswith("hubbub: ")]
    assert "set PORT" in line and len(output.splitlines()) == 2


# --- how it ends


def _signal_to_make_alone(launched: Launched) -> None:
    os.kill(launched.pid, signal.SIGTERM)


def _kill_launcher(launched: Launched) -> None:
    os.kill(launched.pid_of("launcher"), signal.SIGKILL)


def _kill_make(launched: Launched) -> None:
    os.kill(launched.pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize(
    "stop",
    [_signal_to_make_alone, interrupt_as_a_terminal_does, _kill_launcher, _kill_make],
    ids=["SIGTERM to make alone", "Ctrl-C", "kill -9 of the launcher", "kill -9 of make"],
)
def test_nothing_is_left_behind_after(
    stop: Callable[[Launched], None], launch: Launches, light: dict[str, str]
) -> None:
    launched = launch(light).ready()
    assert len(launched.processes()) >= 6  # make, launcher, Valkey, worker, gunicorn and its worker
    stop(launched)
    launched.nothing_is_left()  # before it is reaped: that would end its group


@pytest.mark.slow
def test_sigterm_in_the_middle_of_starting_leaves_nothing_behind(
    launch: Launches, light: dict[str, str]
) -> None:
    launched = launch(light)
    while not launched.runs("valkey"):
        assert launched.running
    os.kill(launched.pid, signal.SIGTERM)
    launched.wait()
    launched.nothing_is_left()


@pytest.mark.slow
@pytest.mark.parametrize("part", ["valkey", "worker", "web"])
def test_a_part_that_dies_is_named_and_ends_the_rest_with_a_failure(
    part: str, launch: Launches, light: dict[str, str]
) -> None:
    launched = launch(light, BY_PYTHON).ready()
    os.kill(launched.pid_of(part), signal.SIGKILL)
    assert launched.wait() == 1
    assert f"hubbub: {part} was killed by SIGKILL" in launched.log()
    launched.nothing_is_left()


@pytest.mark.slow
def test_parts_end_in_the_order_that_lets_each_finish(
    launch: Launches, light: dict[str, str], valkey: Valkey
) -> None:
    """Valkey has written everything by the time it ends: it ends by itself, last."""
    reserved = ReservedPort()
    launched = launch({**light, "PORT": str(reserved.number)}, BY_PYTHON).ready()
    launched.terminate()
    log = (ROOT / ".hubbub" / str(reserved.number) / "valkey.log").read_text()
    assert "bye bye" in log
    _forget(reserved)


@pytest.mark.slow
def test_the_end_keeps_to_the_grace_tells_open_streams_and_hands_over_what_runs(
    launch: Launches, light: dict[str, str], provider: ScriptedProvider
) -> None:
    provider.scripts["endless"] = Script("never said", gate=Gate())
    launched = launch({**light, "HUB_GRACE_SECONDS": "2"}, BY_PYTHON).ready()
    asked = requests.post(f"{launched.url}/generations", json={"prompt": "endless"}, timeout=5)
    with EventStream(f"{launched.url}{asked.json()['events']}") as stream:
        stream.next("started")
        begun = time.monotonic()
        launched.signal(signal.SIGTERM)
        assert json.loads(stream.next("closing").data) == {"reason": "shutdown", "reconnect": True}
        assert launched.wait() == 0
    assert time.monotonic() - begun < 2 + A_LITTLE_SECONDS + 2
    assert "was killed" not in launched.log() and "Traceback" not in launched.log()
    launched.nothing_is_left()


@pytest.mark.slow
def test_a_launcher_killed_in_the_middle_of_the_work_leaves_nothing_behind(
    launch: Launches, light: dict[str, str], provider: ScriptedProvider
) -> None:
    """Valkey ends at once then, and nobody may wait for it for ever."""
    provider.scripts["endless"] = Script("never said", gate=Gate())
    launched = launch({**light, "HUB_GRACE_SECONDS": "2"}, BY_PYTHON).ready()
    asked = requests.post(f"{launched.url}/generations", json={"prompt": "endless"}, timeout=5)
    with EventStream(f"{launched.url}{asked.json()['events']}") as stream:
        stream.next("started")
        launched.signal(signal.SIGKILL)
        launched.nothing_is_left(15)


# --- what stays


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_restart_loses_nothing(
    number: signal.Signals, launch: Launches, light: dict[str, str]
) -> None:
    reserved = ReservedPort()
    env = {**light, "PORT": str(reserved.number)}
    first = launch(env, BY_PYTHON).ready()
    _remember(first.redis_url, "this")
    os.kill(first.pid, number)
    first.wait()
    second = launch(env, BY_PYTHON).ready()
    assert _remembered(second.redis_url) == b"this"
    second.terminate()
    _forget(reserved)


@pytest.mark.slow
def test_two_stacks_run_beside_each_other_with_data_of_their_own(
    launch: Launches, light: dict[str, str]
) -> None:
    first, second = launch(light, BY_PYTHON), launch(light, BY_PYTHON)
    first.ready(), second.ready()
    assert first.url != second.url
    _remember(first.redis_url, "first")
    assert _remembered(second.redis_url) is None


def _forget(reserved: ReservedPort) -> None:
    reserved.close()
    shutil.rmtree(ROOT / ".hubbub" / str(reserved.number))


def test_the_socket_of_a_checkout_with_a_long_path_has_a_short_one(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    path = embedded.socket_path(deep)
    assert len(os.fsencode(path)) < 100
    assert path == embedded.socket_path(deep)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.parent.rmdir()


# --- gunicorn by itself


def test_gunicorn_alone_needs_redis_url_and_says_so_in_one_line() -> None:
    status, output = refusal({"PORT": "0"}, GUNICORN)
    assert status != 0
    assert len(output.splitlines()) == 1 and "REDIS_URL" in output


def test_gunicorn_alone_refuses_an_open_address_in_one_line() -> None:
    env = {"REDIS_URL": "redis://127.0.0.1:1", "HOST": "0.0.0.0"}
    status, output = refusal(env, GUNICORN)
    assert status != 0
    assert len(output.splitlines()) == 1 and "HUB_ALLOW_ANONYMOUS=1" in output


def test_gunicorn_s_master_imports_nothing_that_a_worker_would_patch_too_late() -> None:
    program = (
        "import sys; exec(open('gunicorn.conf.py').read());"
        "print({'ssl', 'redis', 'requests', 'urllib3'} & set(sys.modules))"
    )
    env = {"REDIS_URL": "redis://127.0.0.1:1"}
    assert refusal(env, (sys.executable, "-c", program)) == (0, "set()\n")


@pytest.fixture
def web(valkey: Valkey, tmp_path: Path, processes: list[Process]) -> Web:
    web = Web(tmp_path / "web.log", {**clean_environ(), "REDIS_URL": valkey.url})
    processes.append(web)
    return web.start()


def test_a_web_process_may_open_more_files_than_it_may_have_listeners(web: Web) -> None:
    for pid in descendants(web.pid):
        limits = Path(f"/proc/{pid}/limits").read_text()
        [line] = [line for line in limits.splitlines() if line.startswith("Max open files")]
        assert int(line.split()[3]) > 10_000


def test_a_web_process_patches_in_time_logs_no_query_and_ends_without_a_traceback(web: Web) -> None:
    web.get("/healthz?token=secret")
    assert web.terminate() == 0
    assert "MonkeyPatchWarning" not in web.log()
    assert "Logging error" not in web.log()
    assert "secret" not in web.log()
