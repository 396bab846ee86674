"""Centrifugo with its memory engine or its Redis engine, heard over its one-way SSE endpoint.

A subscription names its channel, and where it returns its position (epoch and offset), in a query;
positions are recovered from history. The browser's `EventSource` cannot do that by itself: it comes
back to the same address with a `Last-Event-ID`, which Centrifugo does not read.
"""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

import jwt

from bench.environment import Environment
from bench.handover import Handover, http_post, payload
from bench.peers.peer import Running, start, start_redis
from bench.processes import SERVER_CORE, Process

_SECRET = "a secret of the benchmark's, of no use elsewhere"
_API_KEY = "key"
_HISTORY_EVENTS = 10_000
TOKEN = jwt.encode({"sub": "bench", "exp": 4_000_000_000}, _SECRET, "HS256")


class Centrifugo:
    """With history and recovery: without them it tells nobody what was missed."""

    def __init__(self, engine: str) -> None:
        self.name = "centrifugo" if engine == "memory" else "centrifugo-redis"
        self.title = "Centrifugo" if engine == "memory" else "Centrifugo on Redis"
        self._engine = engine

    def start(self, environment: Environment, log: Path) -> Running:
        redis = redis_port = None
        if self._engine == "redis":
            redis, redis_port = start_redis(environment, log)

        def make(port: int) -> Process:
            path = log.with_suffix(".json")
            path.write_text(json.dumps(_configuration(port, redis_port)))
            return Process([str(environment.centrifugo), "-c", path], core=SERVER_CORE, log=log)

        server, port = start(make)

        def handover(prefix: str, channels: int, size: int) -> Handover:
            calls = _requests(prefix, channels, size, 1)
            return Handover(("127.0.0.1", port), calls, b"HTTP/1.1 200", "POST, pipelined")

        return Running(
            server,
            port,
            lambda prefix: _path({f"{prefix}-%d": {}}),
            handover,
            post=_requests,
            resume=lambda prefix, missed: _path(
                {f"{prefix}-0": {"recover": True, **_position(port, f"{prefix}-0", missed)}}
            ),
            redis=redis,
        )


def _configuration(port: int, redis_port: int | None) -> dict[str, Any]:
    engine = {"type": "memory"} if redis_port is None else {
        "type": "redis", "redis": {"address": f"redis://127.0.0.1:{redis_port}"}
    }  # fmt: skip
    return {
        "engine": engine,
        "http_server": {"address": "127.0.0.1", "port": port},
        "log": {"level": "error"},
        "client": {"token": {"hmac_secret_key": _SECRET}},
        "http_api": {"key": _API_KEY, "error_mode": "transport"},
        "uni_sse": {"enabled": True},
        "channel": {
            "without_namespace": {
                "history_size": _HISTORY_EVENTS,
                "history_ttl": "600s",
                "force_recovery": True,
                "allow_subscribe_for_client": True,
            }
        },
    }


def _path(subscriptions: dict[str, Any]) -> str:
    connect = json.dumps({"token": TOKEN, "subs": subscriptions}, separators=(",", ":"))
    return f"/connection/uni_sse?cf_connect={connect}"


def _requests(prefix: str, channels: int, size: int, events: int) -> list[bytes]:
    """One event is a `publish`, several are a `batch` of them."""
    calls = []
    for number in range(channels):
        publish = {"channel": f"{prefix}-{number}", "data": payload(size).decode()}
        body = publish if events == 1 else {"commands": [{"publish": publish}] * events}
        calls.append(
            http_post("/api/publish" if events == 1 else "/api/batch", json.dumps(body).encode(),
                      "application/json", f"X-API-Key: {_API_KEY}\r\n")
        )  # fmt: skip
    return calls


def _position(port: int, channel: str, missed: int) -> dict[str, Any]:
    """The position `missed` events before the newest."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(
        "POST", "/api/history", json.dumps({"channel": channel, "limit": 0}),
        {"X-API-Key": _API_KEY, "Content-Type": "application/json"},
    )  # fmt: skip
    found = json.load(connection.getresponse())["result"]
    connection.close()
    return {"epoch": found["epoch"], "offset": found["offset"] - missed}
