"""Mercure's hub, where `BENCH_MERCURE` names its binary: no package registry has it.

Its history is a file (the `bolt` transport); a subscriber returns with the id that it saw last.
"""

from __future__ import annotations

from pathlib import Path

import jwt

from bench.environment import Environment
from bench.handover import Handover, http_post, payload
from bench.peers.peer import Running, start
from bench.processes import SERVER_CORE, Process

_SECRET = "a secret of the benchmark's, of no use elsewhere"
TOKEN = jwt.encode(
    {"mercure": {"publish": ["*"], "subscribe": ["*"]}, "exp": 4_000_000_000}, _SECRET, "HS256"
)
_CONFIGURATION = """
{{
    admin off
    auto_https off
    log {{
        level ERROR
    }}
}}
http://127.0.0.1:{port} {{
    mercure {{
        transport bolt {{
            path {history}
            size 10000
        }}
        publisher_jwt "{secret}" HS256
        subscriber_jwt "{secret}" HS256
    }}
}}
"""


class Mercure:
    name = "mercure"
    title = "Mercure"

    def start(self, environment: Environment, log: Path) -> Running:
        history = log.with_suffix(".db")

        def make(port: int) -> Process:
            history.unlink(missing_ok=True)
            path = log.with_suffix(".caddyfile")
            path.write_text(_CONFIGURATION.format(port=port, history=history, secret=_SECRET))
            return Process(
                [str(environment.mercure), "run", "--config", path, "--adapter", "caddyfile"],
                core=SERVER_CORE, log=log,
            )  # fmt: skip

        server, port = start(make)

        def handover(prefix: str, channels: int, size: int) -> Handover:
            calls = _requests(prefix, channels, size, 1)
            return Handover(("127.0.0.1", port), calls, b"HTTP/1.1 200", "POST, pipelined")

        return Running(
            server,
            port,
            lambda prefix: f"/.well-known/mercure?topic={prefix}-%d&authorization={TOKEN}",
            handover,
            post=_requests,
        )


def _requests(prefix: str, channels: int, size: int, events: int) -> list[bytes]:
    assert events == 1
    return [
        http_post("/.well-known/mercure",
                  f"topic={prefix}-{number}&data=".encode() + payload(size),
                  "application/x-www-form-urlencoded", f"Authorization: Bearer {TOKEN}\r\n")
        for number in range(channels)
    ]  # fmt: skip
