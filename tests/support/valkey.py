"""A real Valkey server as a process: single, or with any option (replica, Sentinel, Cluster)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from hubbub.parts.valkey import url as unix_url
from tests.support.deadline import eventually
from tests.support.process import Process, ReservedPort
from tests.support.real import valkey_binary


class Valkey(Process):
    """On a Unix socket, or on a port of 127.0.0.1. It keeps nothing unless `options` say so.

    `kill`, `pause`, `resume`, `start` (again, at the same address) are the process's.
    """

    def __init__(
        self, directory: Path, *, tcp: bool = False, options: Sequence[str] = (), name: str = ""
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.reserved = ReservedPort() if tcp else None
        self.port = self.reserved.number if self.reserved else 0
        self.socket = directory / "s"
        address = (
            ["--port", str(self.port), "--bind", "127.0.0.1"]
            if tcp
            else ["--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        )
        command = [valkey_binary(), *address, "--dir", str(directory), "--save", "", *options]
        super().__init__(name or "valkey", command, directory / "log")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0" if self.port else unix_url(self.socket)

    def start(self) -> Valkey:
        super().start()
        with self.client() as client:
            eventually(lambda: self._answers(client))
        return self

    def client(self) -> redis.Redis:
        """A client without retries, for the tests' own commands. To be closed by the caller."""
        options = {"retry": Retry(NoBackoff(), 0), "socket_timeout": 5}
        client: redis.Redis = redis.Redis.from_url(self.url, **options)
        return client

    def end(self) -> None:
        super().end()
        if self.reserved:
            self.reserved.close()

    def _answers(self, client: redis.Redis) -> bool:
        assert self.running, f"{self.name} ended while starting:\n{self.log()}"
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
