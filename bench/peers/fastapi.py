"""FastAPI + sse-starlette on uvicorn (uvloop, httptools) and Redis."""

from __future__ import annotations

from pathlib import Path

from bench.environment import BENCH, Environment
from bench.handover import payload
from bench.peers.peer import Running, count_subscribers, redis_publish, start, start_redis
from bench.processes import SERVER_CORE, Process


class FastApi:
    def __init__(self, recipe: str) -> None:
        self.name = f"fastapi-{recipe}"
        self.title = f"FastAPI + sse-starlette, {recipe} pub/sub"
        self._recipe = recipe

    def start(self, environment: Environment, log: Path) -> Running:
        redis, redis_port = start_redis(environment, log)
        server, port = start(
            lambda port: Process(
                [environment.python, "-m", "uvicorn", "--port", str(port), "--backlog", "4096",
                 "--no-access-log", "--log-level", "warning", "fastapi_app:app"],
                core=SERVER_CORE, log=log, cwd=BENCH / "servers",
                env={"REDIS_URL": f"redis://127.0.0.1:{redis_port}", "RECIPE": self._recipe},
            )
        )  # fmt: skip
        return Running(
            server,
            port,
            lambda prefix: f"/stream/{prefix}-%d",
            redis_publish(redis_port, payload),
            redis=redis,
            listening=count_subscribers(redis_port) if self._recipe == "own" else None,
        )
