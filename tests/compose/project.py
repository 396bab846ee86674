"""One `docker compose` project under test, by the commands that a person types."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from tests.compose.engine import Engine
from tests.support.deadline import eventually
from tests.support.stack import clean_environ
from tests.support.stream import EventStream


def compose_command(engine: Engine) -> list[str]:
    """`docker compose`, or the older `docker-compose` where that is what there is."""
    plugin = subprocess.run(["docker", "compose", "version"], env=engine.env, capture_output=True)
    return ["docker", "compose"] if plugin.returncode == 0 else ["docker-compose"]


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody has, for an engine that cannot inherit a socket: below those
    that the kernel gives away, which others may be given before the engine takes them."""
    found: list[int] = []
    while len(found) < count:
        number = random.randrange(20_000, 30_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", number))
            except OSError:
                continue
        found.append(number)
    return found


class Project:
    def __init__(self, engine: Engine, folder: Path, name: str, env: Mapping[str, str]) -> None:
        self.engine = engine
        self.folder = folder
        self.name = name
        self._profiles: list[str] = []
        port, tls_port = free_ports(2)
        self.url = f"http://127.0.0.1:{port}"
        self.tls_url = f"https://localhost:{tls_port}"
        found = {name: engine.env[name] for name in ("DOCKER_HOST",) if name in engine.env}
        ports = {"PORT": str(port), "TLS_PORT": str(tls_port)}
        self.env = {**clean_environ(), **found, **ports, **env}
        self._compose = compose_command(engine)

    @property
    def command(self) -> list[str]:
        return [*self._compose, "-p", self.name, *self._profiles]

    def compose(self, *words: str, seconds: float = 180) -> str:
        """Run `docker compose …`; what it printed. It must succeed."""
        command = [*self.command, *words]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
        )
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}"
        return done.stdout

    def up(self, *words: str) -> None:
        """`up -d`, with `--profile NAME` or `--scale SERVICE=NUMBER`."""
        if "--profile" in words:
            self._profiles = list(words)
        rest = [] if self._profiles else words
        self.compose("up", "-d", *rest)

    def until_ready(self, within_seconds: float = 90) -> None:
        eventually(self._ready, within_seconds, every_seconds=0.2)

    def _ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def container(self, service: str, number: int = 1) -> str:
        """Its id."""
        found = self.compose("ps", "-q", service).split()
        return found[number - 1]

    def inspect(self, service: str, template: str) -> str:
        return self.engine.docker("inspect", "-f", template, self.container(service)).strip()

    def logs(self, *services: str) -> str:
        return self.compose("logs", "--no-color", *services)

    def kill(self, service: str) -> None:
        """kill -9 of its first process, as the kernel does where memory is short. The engine itself
        would take it for a wish to stop."""
        os.kill(int(self.inspect(service, "{{.State.Pid}}")), signal.SIGKILL)

    def ask(self, prompt: str, **fields: object) -> str:
        """Start a generation. Its id."""
        body = {"prompt": prompt, "max_tokens": 8, **fields}
        answer = requests.post(f"{self.url}/generations", json=body, timeout=20)
        assert answer.status_code == 202, answer.text
        generation_id: str = answer.json()["id"]
        return generation_id

    def generation(self, generation_id: str) -> dict[str, Any]:
        answer = requests.get(f"{self.url}/generations/{generation_id}", timeout=20)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def finished(self, generation_id: str, within_seconds: float = 120) -> dict[str, Any]:
        def record() -> dict[str, Any] | None:
            found = self.generation(generation_id)
            return found if found["status"] in ("completed", "failed", "cancelled") else None

        found = eventually(record, within_seconds, every_seconds=0.2)
        assert found is not None
        return found

    def publish(self, channel: str, data: object) -> str:
        answer = requests.post(
            f"{self.url}/channels/{channel}/events", json={"data": data}, timeout=20
        )
        assert answer.status_code == 201, answer.text
        event_id: str = answer.json()["id"]
        return event_id

    def listen(self, channel: str, **options: Any) -> EventStream:
        return EventStream(f"{self.url}/channels/{channel}/events", **{"timeout": 60, **options})

    def remove(self) -> None:
        """`down`, at once, with its volumes."""
        self.compose("down", "--volumes", "--timeout", "1", "--remove-orphans")
