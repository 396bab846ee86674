"""On a shared machine what runs here answers nobody else, and shows nothing of its secrets."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from hub.client.remote import Remote
from hubbub.parts.data import DataDirectory
from tests.support.deadline import patience
from tests.support.launch import BY_PYTHON, Launches
from tests.support.process import Process
from tests.support.provider import ScriptedProvider
from tests.support.real import ROOT, model_path
from tests.support.stack import Web, clean_environ
from tests.support.valkey import Valkey
from workers.provider.config import ProviderConfig
from workers.provider.session import Session

PASSWORD = "a-password-of-the-tests"


@pytest.fixture
def launch(tmp_path: Path, processes: list[Process]) -> Launches:
    return Launches(tmp_path, processes)


def modes(place: Path) -> set[str]:
    return {oct(found.lstat().st_mode & 0o777) for found in (place, *place.rglob("*"))}


def test_a_directory_that_is_there_already_is_closed_to_others(tmp_path: Path) -> None:
    root = tmp_path / "data"
    old = root / "8000" / "appendonlydir"
    old.mkdir(parents=True)
    (old / "valkey.aof").write_text("prompts")
    for place in (root, root / "8000", old):
        place.chmod(0o755)
    (old / "valkey.aof").chmod(0o644)

    data = DataDirectory(root, 8000)

    assert modes(root) == {"0o700", "0o600"}
    data.close()


@pytest.mark.slow
@pytest.mark.model
def test_the_bundled_model_answers_the_hub_alone(launch: Launches) -> None:
    model_path()
    launched = launch({}, BY_PYTHON).ready()
    made = requests.post(
        f"{launched.url}/v1/chat/completions",
        json={"messages": [{"role": "user", "content": "Say hi."}], "max_tokens": 3},
        timeout=60,
    )
    assert made.status_code == 200, made.text
    listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True).stdout
    pid = launched.pid_of("model")
    [line] = [line for line in listening.splitlines() if f"pid={pid}," in line]
    url = f"http://{line.split()[3]}"

    origin = {"Origin": "https://evil.example"}
    for asked in (
        requests.get(f"{url}/v1/models", headers=origin, timeout=10),
        requests.post(f"{url}/v1/chat/completions", json={"messages": []}, timeout=10),
        requests.get(f"{url}/health", headers=origin, timeout=10),
        requests.options(f"{url}/v1/chat/completions", headers=origin, timeout=10),
    ):
        assert not asked.headers.get("Access-Control-Allow-Origin")
        if asked.request.method == "POST" or "models" in str(asked.url):
            assert asked.status_code == 401
    shown = "".join(launched.processes().values())
    key = _environ_of(pid)["HUBBUB_MODEL_KEY"]
    assert len(key) >= 24
    assert key not in shown
    assert key not in launched.log()
    assert modes(Path(launched.redis_url.removeprefix("unix://")).parent) <= {"0o700", "0o600"}


def _environ_of(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


@pytest.mark.slow
def test_a_start_shows_no_password(
    launch: Launches, provider: ScriptedProvider, start_valkey: Callable[..., Valkey]
) -> None:
    server = start_valkey()
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "me", "on", f">{PASSWORD}", "~*", "&*", "+@all")
    with_password = server.url.replace("://", f"://me:{PASSWORD}@")
    url = provider.base_url.replace("://", f"://me:{PASSWORD}@")
    launched = launch({"REDIS_URL": with_password, "OPENAI_BASE_URL": url}, BY_PYTHON).ready()

    assert "REDIS_URL=" in launched.log()
    assert PASSWORD not in launched.log()
    assert PASSWORD not in "".join(launched.processes().values())


@pytest.mark.slow
def test_a_terminal_is_shown_escape_sequences_and_does_not_get_them(
    valkey: Valkey, tmp_path: Path, processes: list[Process]
) -> None:
    web = Web(tmp_path / "log", {**clean_environ(), "REDIS_URL": valkey.url})
    processes.append(web)
    web.start()
    web.publish("news", "\x1b]0;owned\x07 and \x1b[2J", event="notice")
    command = [sys.executable, "-m", "hub", "--url", web.url, "listen", "news"]
    command += ["--from", "start", "--count", "1"]
    terminal, end = pty.openpty()

    subprocess.run(command, stdout=end, cwd=ROOT, timeout=30 * patience(), check=True)
    shown = os.read(terminal, 4096)
    piped = subprocess.run(
        command, stdout=subprocess.PIPE, cwd=ROOT, timeout=30 * patience(), check=True
    ).stdout

    os.close(terminal)
    os.close(end)
    assert shown.strip() == rb"notice: \x1b]0;owned\x07 and \x1b[2J"
    assert piped.strip() == b"notice: \x1b]0;owned\x07 and \x1b[2J"


def test_loopback_is_never_asked_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, provider: ScriptedProvider
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    with Remote(provider.base_url.removesuffix("/v1")) as remote:
        assert remote.call("GET", "/v1/models")
    session = Session(ProviderConfig("p", provider.base_url), idle=1)
    exchange = session.exchange()
    assert exchange.send("GET", "models", None, 5).status_code == 200
    exchange.finish(reuse=False)
    elsewhere = Session(ProviderConfig("p", "http://api.example.org/v1"), idle=1)
    assert elsewhere.session.proxies["http"] == "http://127.0.0.1:9"
