"""`docker compose up` and what a person does after it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from hub.access.minting import mint
from tests.compose.conftest import Up
from tests.compose.engine import Engine
from tests.compose.project import Project
from tests.faults.audience import Audience, Listener
from tests.faults.publisher import Publisher
from tests.support import keys
from tests.support.deadline import eventually
from tests.support.provider import ScriptedProvider, text_for
from tests.support.stream import EventStream


def shown(stream: EventStream) -> str:
    """What a tab shows of choice 0 when its stream has ended."""
    text = ""
    for event in stream.to_end(within_seconds=120):
        data = json.loads(event.data) if event.event in ("snapshot", "delta") else {}
        if event.event == "snapshot":
            text = data["choices"][0]["content"] if data["choices"] else ""
        elif event.event == "delta":
            text += data.get("content", "")
    return text


def test_the_first_question_is_answered_with_nothing_set(up: Up) -> None:
    began = time.monotonic()
    hub = up()
    ready = time.monotonic() - began
    generation_id = hub.ask("Say hello to a secret-word-of-the-test.")
    with ExitStack() as tabs:
        first, second = (
            tabs.enter_context(hub.listen(f"generation:{generation_id}", timeout=120))
            for _ in range(2)
        )
        first.next("delta")
        late = tabs.enter_context(hub.listen(f"generation:{generation_id}", timeout=120))
        texts = {shown(tab) for tab in (first, second, late)}
    answered = time.monotonic() - began
    found = hub.finished(generation_id)
    assert found["status"] == "completed", found
    assert texts == {found["choices"][0]["content"]} and found["choices"][0]["content"]
    listed = requests.get(f"{hub.url}/v1/models", timeout=20).json()["data"]
    assert [model["id"] for model in listed] == ["smollm2-135m"]
    assert "secret-word-of-the-test" not in hub.logs()
    print(f"ready after {ready:.1f} s, answered after {answered:.1f} s")


def test_a_part_may_do_only_what_it_needs(up: Up) -> None:
    hub = up()
    for service in ("web", "worker", "model"):
        assert hub.inspect(service, "{{.HostConfig.ReadonlyRootfs}}") == "true"
        assert hub.inspect(service, "{{.HostConfig.CapDrop}}") == "[ALL]"
        assert hub.inspect(service, "{{.HostConfig.SecurityOpt}}") == "[no-new-privileges:true]"
        assert hub.inspect(service, "{{.Config.User}}") == "10001"
    published = hub.inspect("web", "{{json .HostConfig.PortBindings}}")
    assert {binding["HostIp"] for [binding] in json.loads(published).values()} == {"127.0.0.1"}
    for service in ("redis", "worker", "model"):
        assert hub.inspect(service, "{{json .HostConfig.PortBindings}}") in ("{}", "null")
    inside = {"redis": {"back"}, "model": {"model"}, "worker": {"default", "back", "model"}}
    for service, networks in inside.items():
        joined = json.loads(hub.inspect(service, "{{json .NetworkSettings.Networks}}"))
        assert {name.rpartition("_")[2] for name in joined} == networks
    for name in ("back", "model"):
        found = hub.engine.docker("network", "inspect", "-f", "{{.Internal}}", f"{hub.name}_{name}")
        assert found.strip() == "true"
    # Whoever is on the model's network has no answer from it without its key.
    asked = "import urllib.request as r; r.urlopen('http://model:8080/v1/chat/completions', b'{}')"
    refused = f"try:\n    {asked}\nexcept Exception as error:\n    print(error.code)"
    assert hub.compose("exec", "-T", "worker", "python", "-c", refused).strip() == "401"
    assert "OPENAI_API_KEY" not in hub.inspect("web", "{{.Config.Env}}")
    assert "HUB_JWT" not in hub.inspect("worker", "{{.Config.Env}}")


@pytest.fixture
def provider(engine: Engine) -> Iterator[ScriptedProvider]:
    """A model server on this machine, where containers reach it."""
    gateway = "{{(index .IPAM.Config 0).Gateway}}"
    host = engine.docker("network", "inspect", "bridge", "-f", gateway).strip()
    server = ScriptedProvider(host)
    yield server
    server.close()


def _by_address(url: str, folder: Path) -> dict[str, str]:
    return {"OPENAI_BASE_URL": url}


def _by_file(url: str, folder: Path) -> dict[str, str]:
    (folder / "providers.toml").write_text(f'[[providers]]\nname = "own"\nbase_url = "{url}"\n')
    return {"HUB_PROVIDERS": "./providers.toml"}


@pytest.mark.parametrize("named", [_by_address, _by_file], ids=["OPENAI_BASE_URL", "HUB_PROVIDERS"])
def test_a_server_on_this_machine_takes_the_place_of_the_local_model(
    named: Callable[[str, Path], dict[str, str]],
    up: Up,
    checkout: Path,
    provider: ScriptedProvider,
) -> None:
    proxy = {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "host.docker.internal"}
    url = f"http://host.docker.internal:{provider.port}/v1"
    hub = up(env={**named(url, checkout), **proxy, "HUB_LOG_FORMAT": "json"})
    found = hub.finished(hub.ask("a question"))
    assert found["choices"][0]["content"] == text_for("a question"), found
    assert "a question" not in hub.logs()


@pytest.mark.sets_keys
def test_with_keys_set_it_is_closed(up: Up) -> None:
    """Although the file lets it listen where others could reach it without."""
    secret = "a secret of compose's, of 32 bytes and more"
    hub = up(env={"HUB_JWT_SECRET": secret})
    paths = ("/channels/news", "/channels/news/events", "/generations", "/v1/models", "/metrics")
    for path in paths:
        answer = requests.get(f"{hub.url}{path}", timeout=20)
        assert answer.status_code == 401, path
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    asked = {"prompt": "a question", "max_tokens": 4}
    assert requests.post(f"{hub.url}/generations", json=asked, timeout=20).status_code == 401
    token = mint(secret, ttl_seconds=600, subject="ann", subscribe=["news"], generate=True)
    shown = {"Authorization": f"Bearer {token}"}
    found = requests.post(f"{hub.url}/generations", json=asked, headers=shown, timeout=20)
    assert found.status_code == 202
    with hub.listen(found.json()["channel"], headers=shown, timeout=120) as stream:
        stream.next("completed")
    assert secret not in hub.logs() and token not in hub.logs()


def test_a_key_alone_means_openai(up: Up) -> None:
    hub = up(env={"OPENAI_API_KEY": "sk-a-key-of-the-tests"})
    program = (
        "import os; from hub.settings import Settings; "
        "from workers.provider.config import load_providers; "
        "print([c.base_url for c in load_providers(Settings.from_environ(os.environ), os.environ)])"
    )
    said = hub.compose("exec", "-T", "worker", "python", "-c", program)
    assert said.strip() == "['https://api.openai.com/v1']"


@pytest.fixture
def audience() -> Iterator[Audience]:
    audience = Audience()
    yield audience
    audience.stop()


def test_listeners_lose_nothing_while_each_part_is_killed_and_restarted(
    up: Up, audience: Audience
) -> None:
    hub = up("--scale", "worker=2", env={"HUB_GRACE_SECONDS": "2"})
    publisher = Publisher([hub.url], "news", pause_seconds=0.05)
    publisher.start()
    for number in range(10):
        audience.add(Listener([hub.url], "news", seed=number, silence_seconds=40))
    audience.connected(30)
    running = hub.ask("Count to ten.", max_tokens=24)
    hub.kill("worker")
    assert hub.finished(running, 180)["status"] == "completed"
    for service in ("web", "redis"):
        hub.kill(service)
        hub.until_ready()
        publisher.further(20, 60)
    for service in ("web", "worker", "model", "redis"):
        hub.compose("restart", service)
        hub.until_ready()
        publisher.further(20, 60)
    last = publisher.finish(60)
    audience.has_all(last, 60)
    found = hub.finished(hub.ask("And again?"), 180)
    assert found["status"] == "completed", found


def test_stop_tells_every_stream_within_a_grace_longer_than_the_engine_s_own(
    up: Up, audience: Audience, tmp_path: Path
) -> None:
    """Also those that come through the front over HTTP/2; nothing is killed."""
    hub = up("--profile", "tls", env={"HUB_GRACE_SECONDS": "14"})
    with ExitStack() as open_things:
        direct = [open_things.enter_context(hub.listen("news")) for _ in range(20)]
        fronted = [Curl(hub, "news", tmp_path / f"front{number}") for number in range(10)]
        for curl in fronted:
            open_things.callback(curl.end)
            eventually(lambda curl=curl: "subscribed" in curl.text(), 30)  # type: ignore[misc]
        assert hub.publish("news", "hello")
        for stream in direct:
            stream.take(1)
        began = time.monotonic()
        stopping = subprocess.Popen([*hub.command, "stop"], cwd=hub.folder, env=hub.env)
        for stream in direct:
            said = json.loads(stream.next("closing", within_seconds=60).data)
            assert said == {"reason": "shutdown", "reconnect": True}
        assert stopping.wait(120) == 0
        print(f"stopped after {time.monotonic() - began:.1f} s")
        for curl in fronted:
            assert "event: closing" in curl.text() and "hello" in curl.text(), curl.text()
    for service in ("web", "worker", "tls"):
        assert hub.inspect(service, "{{.State.ExitCode}}") == "0", service


class Curl:
    """A stream through the front: HTTP/2, its own certificate, as a browser would have it."""

    def __init__(self, hub: Project, channel: str, output: Path) -> None:
        self._output = output
        command = ["curl", "-sSkN", "--http2", f"{hub.tls_url}/channels/{channel}/events"]
        for name, value in keys.headers({}).items():
            command += ["-H", f"{name}: {value}"]
        with output.open("wb") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)

    def text(self) -> str:
        return self._output.read_text()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def test_two_web_processes_give_one_channel_s_events_to_listeners_of_both(up: Up) -> None:
    hub = up("--scale", "web=2", env={"PORT": "0"}, ready=False)
    ports = [
        hub.engine.docker("port", hub.container("web", number), "8000").rpartition(":")[2].strip()
        for number in (1, 2)
    ]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    for url in urls:
        hub.url = url
        hub.until_ready()
    with ExitStack() as tabs:
        streams = []
        for url in urls:
            streams.append(tabs.enter_context(EventStream(f"{url}/channels/news/events")))
            streams[-1].next("subscribed")
        event_id = hub.publish("news", "to all")
        assert [stream.take(1, 20)[0].id for stream in streams] == [event_id] * 2
