"""flask-sse 1.0 on gunicorn's gevent worker and Redis."""

from __future__ import annotations

from pathlib import Path

from bench.environment import BENCH, Environment
from bench.handover import payload
from bench.peers.peer import Running, count_subscribers, redis_publish, start, start_redis
from bench.processes import SERVER_CORE, Process


class FlaskSse:
    name = "flask-sse"
    title = "flask-sse 1.0"

    def start(self, environment: Environment, log: Path) -> Running:
        redis, redis_port = start_redis(environment, log)
        server, port = start(
            lambda port: Process(
                [environment.python, "-m", "gunicorn", "-k", "gevent", "--worker-connections",
                 "20000", "--backlog", "4096", "--no-control-socket", "-b", f"127.0.0.1:{port}",
                 "flask_sse_app:app"],
                core=SERVER_CORE, log=log, cwd=BENCH / "servers",
                env={"REDIS_URL": f"redis://127.0.0.1:{redis_port}"},
            )
        )  # fmt: skip
        return Running(
            server,
            port,
            lambda prefix: f"/stream?channel={prefix}-%d",
            redis_publish(redis_port, lambda size: b'{"data": "%s"}' % payload(size)),
            redis=redis,
            head_is_late=True,
            listening=count_subscribers(redis_port),
        )
