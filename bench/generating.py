"""The hub with a worker and a provider: web and worker on the server's core, the rest on the
load's."""

from __future__ import annotations

import http.client
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.environment import BENCH, Environment
from bench.load import Load, LoadFailed, Provider
from bench.peers.hub import web
from bench.peers.peer import start, start_redis
from bench.processes import SERVER_CORE, Process, free_port


class Generating:
    """`web_core`: where the web process runs, for what is about the worker alone."""

    def __init__(self, environment: Environment, web_core: int = SERVER_CORE) -> None:
        log = environment.out / "generating.log"
        log.unlink(missing_ok=True)
        self._started: list[Process | Load | Provider] = []
        try:
            self.redis, redis_port = start_redis(environment, log)
            self._started.append(self.redis)
            provider_port = self.provider_port = free_port()
            self.provider = Provider(environment.program("provider"), provider_port, log)
            self._started.append(self.provider)
            self.web, self.port = start(
                lambda port: web(
                    port,
                    redis_port,
                    log,
                    HUB_GENERATIONS_PER_MINUTE="0",
                    HUB_RUNNING_GENERATIONS="0",
                    core=web_core,
                    HUB_JWT_SECRET="",  # an open hub: no generation here is anybody's
                )
            )
            self._started.append(self.web)
            self.worker = Process(
                [sys.executable, "-m", "workers"],
                core=SERVER_CORE,
                log=log,
                cwd=BENCH.parent,
                env={
                    "REDIS_URL": f"redis://127.0.0.1:{redis_port}",
                    "OPENAI_BASE_URL": f"http://127.0.0.1:{provider_port}/v1",
                    "OPENAI_API_KEY": "none",
                    "HUB_MODEL": "bench",
                    "HUB_WORKER_CONCURRENCY": "2000",
                },
            )
            self._started.append(self.worker)
            self.load = Load(environment.program("listen"), self.port, log)
            self._started.append(self.load)
        except BaseException:
            self.stop()
            raise

    def ask(self, generations: int) -> list[str]:
        """Create generations, with a listener that watches each. Their ids."""
        ids = self.asked(generations)
        self.load.open_paths([f"/generations/{one}/events" for one in ids])
        time.sleep(0.5)
        return ids

    def asked(self, generations: int) -> list[str]:
        """Create generations; returns when the worker reads each of them from the provider. What
        is answered are their ids."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        ids = []
        for number in range(generations):
            connection.request(
                "POST",
                "/generations",
                json.dumps({"prompt": f"generation {number}", "model": "bench"}),
                {"Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            body = json.load(answer)
            if answer.status != 202:
                raise LoadFailed(f"POST /generations was answered {answer.status}: {body}")
            ids.append(body["id"])
        connection.close()
        self.provider.wait_for(generations)
        return ids

    def stop(self) -> None:
        for process in reversed(self._started):
            process.stop()


@contextmanager
def generating(environment: Environment, web_core: int = SERVER_CORE) -> Iterator[Generating]:
    started = Generating(environment, web_core)
    try:
        yield started
    finally:
        started.stop()
