"""Hubbub: gunicorn with its take-over worker, and Redis."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jwt

from bench.environment import BENCH, Environment
from bench.handover import CALL_HOLE, Handover, http_post, payload, redis_command
from bench.peers.peer import Running, start, start_redis
from bench.processes import SERVER_CORE, Process
from hub.event import Event
from hub.settings import Settings
from hub.store.history import APPEND, History, Producer
from hub.store.redis_link import RedisLink

BURST_EVENTS = 50
_POST_EVENTS = 500
_SECRET = "a secret of the benchmark's, of no use elsewhere"
TOKEN = jwt.encode(
    {"sub": "bench", "exp": 4_000_000_000, "hub": {"subscribe": ["*"], "publish": ["*"]}},
    _SECRET,
    "HS256",
)
"""What everybody shows: a hub that others reach has keys."""


class Hub:
    """`means`: `append`, the hub's own script as a worker or another program sends it, one event
    in each call and many in a burst; or `post`, NDJSON over HTTP, whose reading is the server's
    work too."""

    def __init__(self, means: str) -> None:
        self.name = "hub" if means == "append" else f"hub-{means}"
        self.title = "Hubbub" if means == "append" else "Hubbub, published by POST"
        self._means = means

    def start(self, environment: Environment, log: Path) -> Running:
        redis, redis_port = start_redis(environment, log)
        load_script(redis_port)
        server, port = start(lambda port: web(port, redis_port, log))
        handover = _posts(port) if self._means == "post" else Appends(redis_port, 1)
        burst = _posts(port) if self._means == "post" else Appends(redis_port, BURST_EVENTS)
        return Running(
            server,
            port,
            lambda prefix: f"/channels/{prefix}-%d/events?token={TOKEN}",
            handover,
            burst=burst,
            post=_requests,
            redis=redis,
        )


def web(
    port: int, redis_port: int, log: Path, *, core: int = SERVER_CORE, **settings: str
) -> Process:
    return Process(
        [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "app:app"],
        core=core,
        log=log,
        cwd=BENCH.parent,
        env={
            "PORT": str(port),
            "REDIS_URL": f"redis://127.0.0.1:{redis_port}",
            "HUB_MAX_LISTENERS": "15000",
            "HUB_JWT_SECRET": _SECRET,
            **settings,
        },
    )


def load_script(redis_port: int) -> None:
    with socket.create_connection(("127.0.0.1", redis_port), 5) as connection:
        connection.sendall(redis_command("SCRIPT", "LOAD", APPEND.text))
        assert connection.recv(100).startswith(b"$40")


class Appends:
    """Appends of one or several events each, pipelined."""

    def __init__(self, redis_port: int, events: int) -> None:
        self._events = events
        self._port = redis_port
        self._history = History(RedisLink.from_url(f"redis://127.0.0.1:{redis_port}"), Settings())

    def __call__(self, prefix: str, channels: int, size: int) -> Handover:
        calls = [self._call(f"{prefix}-{n}", size) for n in range(channels)]
        return Handover(
            ("127.0.0.1", self._port), calls, b"stored", f"EVALSHA of {self._events}, pipelined"
        )

    def newest(self, channel: str) -> str:
        """The id of the channel's last event."""
        return self._history.inspect(channel).last

    def _call(self, channel: str, size: int) -> bytes:
        keys, arguments = self._history.append_call(
            channel,
            [Event(payload(size).decode())] * self._events,
            producer=Producer(f"bench-{channel}", int(CALL_HOLE), time.time()),
        )
        return redis_command("EVALSHA", APPEND.sha, len(keys), *keys, *arguments)


def _posts(port: int) -> Callable[[str, int, int], Handover]:
    def handover(prefix: str, channels: int, size: int) -> Handover:
        calls = _requests(prefix, channels, size, _POST_EVENTS)
        return Handover(("127.0.0.1", port), calls, b"HTTP/1.1 201", "POST of NDJSON")

    return handover


def _requests(prefix: str, channels: int, size: int, events: int) -> list[bytes]:
    """Requests that publish, one for each channel: JSON, or for several events NDJSON."""
    event = json.dumps({"data": payload(size).decode()}).encode()
    body, kind = (event, "json") if events == 1 else ((event + b"\n") * events, "x-ndjson")
    return [
        http_post(f"/channels/{prefix}-{n}/events", body, f"application/{kind}",
                  f"Authorization: Bearer {TOKEN}\r\n")
        for n in range(channels)
    ]  # fmt: skip
