"""Hubbub as it runs in production: gunicorn and workers as processes, on a Redis that is given."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from tests.support import keys
from tests.support.deadline import eventually
from tests.support.process import Process, ReservedPort
from tests.support.real import ROOT, model_path
from tests.support.stream import EventStream

OWN_SETTINGS = ("HUB_", "OPENAI_", "REDIS_URL", "HOST", "PORT", "WEB_CONCURRENCY")


def clean_environ() -> dict[str, str]:
    """The environment without any setting of Hubbub's (but keys, in the run that has them): a test
    says what it wants."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(OWN_SETTINGS)}
    return {**bare, **keys.settings()}


class Web(Process):
    """One gunicorn on a port that stays its own over restarts."""

    def __init__(
        self,
        log: Path,
        env: Mapping[str, str],
        name: str = "web",
        application: str = "app:app",
        tree: Path = ROOT,
    ) -> None:
        self.reserved = ReservedPort()
        self.url = f"http://127.0.0.1:{self.reserved.number}"
        command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", application]
        bound = {"HOST": "127.0.0.1", **env, "PORT": str(self.reserved.number)}
        super().__init__(name, command, log, env=bound, cwd=tree)

    def start(self) -> Web:
        super().start()
        eventually(self._lives, 20)
        return self

    def checked(self) -> Web:
        """Wait until the process has looked at what its Redis may do: it would end where that lacks
        by then what a test takes away. Its last word of that is that a test's Redis keeps nothing.
        """
        eventually(lambda: "nothing is kept on disk" in self.log())
        return self

    def end(self) -> None:
        super().end()
        self.reserved.close()

    def events(self, channel: str, **options: Any) -> EventStream:
        """Listen to `channel`; the options are `EventStream`'s."""
        return EventStream(f"{self.url}/channels/{channel}/events", **options)

    def publish(self, channel: str, data: object, event: str = "message", **fields: object) -> str:
        """Publish one event. Its id."""
        body = {"event": event, "data": data, **fields}
        answer = requests.post(f"{self.url}/channels/{channel}/events", json=body, timeout=15)
        assert answer.status_code == 201, answer.text
        event_id: str = answer.json()["id"]
        return event_id

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(self.url + path, **{"timeout": 15, **options})

    def post(self, path: str, **options: Any) -> requests.Response:
        return requests.post(self.url + path, **{"timeout": 15, **options})

    def delete(self, path: str, **options: Any) -> requests.Response:
        return requests.delete(self.url + path, **{"timeout": 15, **options})

    def generate(self, prompt: str, **fields: object) -> str:
        """Start a generation. Its id."""
        answer = self.post("/generations", json={"prompt": prompt, **fields})
        assert answer.status_code == 202, answer.text
        generation_id: str = answer.json()["id"]
        return generation_id

    def generation(self, generation_id: str) -> dict[str, Any]:
        answer = self.get(f"/generations/{generation_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def finished(self, generation_id: str, within_seconds: float = 30.0) -> dict[str, Any]:
        """The generation's record once it has ended, however it did."""
        over = ("completed", "failed", "cancelled")

        def record() -> dict[str, Any] | None:
            found = self.generation(generation_id)
            return found if found["status"] in over else None

        found = eventually(record, within_seconds, every_seconds=0.05)
        assert found is not None
        return found

    def _lives(self) -> bool:
        assert self.running, f"{self.name} ended while starting:\n{self.log()}"
        try:
            return self.get("/healthz", timeout=2).status_code == 200
        except (requests.ConnectionError, requests.Timeout):
            return False


class Worker(Process):
    """One worker process. Whether it is at work is `/readyz`'s to say."""

    def __init__(
        self,
        log: Path,
        env: Mapping[str, str],
        name: str = "worker",
        module: str = "workers",
        tree: Path = ROOT,
    ) -> None:
        super().__init__(name, [sys.executable, "-m", module], log, env=env, cwd=tree)


class LocalModel(Process):
    """The bundled model as a server. `base_url` is what `OPENAI_BASE_URL` takes."""

    def __init__(self, log: Path, env: Mapping[str, str] | None = None) -> None:
        env = {**clean_environ(), "PYTHONPATH": str(model_path()), **(env or {})}
        command = [sys.executable, str(ROOT / "hubbub" / "parts" / "local_model.py")]
        super().__init__("model", command, log, env=env)
        self.base_url = ""

    def start(self) -> LocalModel:
        super().start()
        eventually(lambda: self._address() or not self.running, 60)
        assert self.running, f"the local model ended while starting:\n{self.log()}"
        self.base_url = f"{self._address()}/v1"
        return self

    def _address(self) -> str:
        lines = (line for line in self.log().splitlines() if line.startswith("http://"))
        return next(lines, "")


class Stack:
    """Web processes and workers with one environment. Everything of the first web process is also
    reachable on the stack itself: `stack.url`, `stack.publish(…)`, `stack.events(…)`. `tree` is the
    checkout that runs."""

    def __init__(
        self,
        directory: Path,
        env: Mapping[str, str],
        *,
        webs: int = 1,
        workers: int = 1,
        tree: Path = ROOT,
    ) -> None:
        self.tree = tree
        self.directory = directory
        self.env = {
            **clean_environ(),
            "HUB_GRACE_SECONDS": "2",
            "HUB_GENERATIONS_PER_MINUTE": "0",
            "HUB_RUNNING_GENERATIONS": "0",
            "PYTHONUNBUFFERED": "1",
            **env,
        }
        self.webs: list[Web] = []
        self.workers: list[Worker] = []
        self._wanted = (webs, workers)

    def start(self) -> Stack:
        webs, workers = self._wanted
        for _ in range(workers):
            self.add_worker()
        for _ in range(webs):
            self.add_web()
        if workers and webs:
            self.until_ready()
        return self

    def add_web(self, application: str = "app:app", **env: str) -> Web:
        name = f"web{len(self.webs)}"
        log = self.directory / f"{name}.log"
        web = Web(log, {**self.env, **env}, name, application, self.tree)
        self.webs.append(web)
        return web.start()

    def add_worker(self, module: str = "workers", **env: str) -> Worker:
        name = f"worker{len(self.workers)}"
        log = self.directory / f"{name}.log"
        worker = Worker(log, {**self.env, **env}, name, module, self.tree)
        self.workers.append(worker)
        worker.start()
        return worker

    def until_ready(self, within_seconds: float = 20.0) -> None:
        """Until `/readyz` is green: Redis answers and a worker has been seen."""

        def ready() -> bool:
            for process in (*self.webs, *self.workers):
                assert process.running, f"{process.name} ended:\n{process.log()}"
            return self.web.get("/readyz").status_code == 200

        eventually(ready, within_seconds, every_seconds=0.05)

    @property
    def web(self) -> Web:
        return self.webs[0]

    @property
    def worker(self) -> Worker:
        return self.workers[0]

    def __getattr__(self, name: str) -> Any:
        webs = self.__dict__.get("webs")
        if not webs or name.startswith("_"):
            raise AttributeError(name)
        return getattr(webs[0], name)

    def end(self) -> None:
        for process in (*self.webs, *self.workers):
            process.end()

    def logs(self) -> str:
        return "".join(
            f"--- {process.name}\n{process.log()}" for process in (*self.webs, *self.workers)
        )


def descendants(pid: int) -> dict[int, str]:
    """The processes below `pid`, and their command lines, as the process table has them now."""
    listing = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in listing.splitlines()]
    found: dict[int, str] = {}
    parents = {pid}
    while parents:
        children = {int(row[0]): row[-1] for row in rows if int(row[1]) in parents}
        children = {child: line for child, line in children.items() if child not in found}
        found |= children
        parents = set(children)
    return found
