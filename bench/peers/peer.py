"""What a scenario needs to know of a peer."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.environment import Environment
from bench.handover import Handover, redis_command
from bench.processes import LOAD_CORE, Process, StartFailed, file_limit, free_port


@dataclass
class Running:
    """A started peer. `path(prefix)` has `%d` for the channel's number.

    `burst`: how many events at once are handed over fastest, where that is another way.
    `post(prefix, channels, size, events)`: requests that publish over HTTP, one for each channel.
    `resume(prefix, missed)`: the path by which a listener of channel 0 comes back that missed
    so many events, for peers that do not take the id of the last one.
    `head_is_late`: the answer's head comes with the first event only. `listening`: how many
    listeners really hear, for peers where an answer does not say so.
    """

    server: Process
    port: int
    path: Callable[[str], str]
    handover: Callable[[str, int, int], Handover]
    burst: Callable[[str, int, int], Handover] | None = None
    post: Callable[[str, int, int, int], list[bytes]] | None = None
    resume: Callable[[str, int], str] | None = None
    redis: Process | None = None
    head_is_late: bool = False
    listening: Callable[[], int] | None = None
    others: list[Process] = field(default_factory=list)

    def stop(self) -> None:
        for process in (*self.others, self.server, self.redis):
            if process:
                process.stop()


class Peer(Protocol):
    name: str
    title: str

    def start(self, environment: Environment, log: Path) -> Running: ...


def start_redis(
    environment: Environment, log: Path, *, core: int = LOAD_CORE
) -> tuple[Process, int]:
    """A Redis (the embedded Valkey for everyone) on the load's core, and its port."""
    port = free_port()
    process = Process(
        [environment.redis, "--port", str(port), "--bind", "127.0.0.1", "--save", "",
         "--appendonly", "no", "--maxclients", str(file_limit() - 100), "--dir", str(log.parent)],
        core=core, log=log,
    )  # fmt: skip
    process.wait_for_port(port)
    return process, port


def redis_publish(
    port: int, message: Callable[[int], bytes]
) -> Callable[[str, int, int], Handover]:
    """PUBLISH, pipelined: `message(size)` is what the peer expects to find there."""

    def handover(prefix: str, channels: int, size: int) -> Handover:
        calls = [redis_command("PUBLISH", f"{prefix}-{n}", message(size)) for n in range(channels)]
        return Handover(("127.0.0.1", port), calls, b":", "PUBLISH, pipelined")

    return handover


def count_subscribers(port: int) -> Callable[[], int]:
    """How many connections have subscribed to something. Not by PUBSUB NUMSUB: Valkey 9.1 answers
    that with nonsense while its table grows."""

    def count() -> int:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(redis_command("INFO", "clients"))
            answer = connection.recv(8192)
        return int(answer.partition(b"pubsub_clients:")[2].partition(b"\r\n")[0])

    return count


def start(make: Callable[[int], Process], *, tries: int = 3) -> tuple[Process, int]:
    """Start a server on a free port; another one if somebody was quicker."""
    for _ in range(tries - 1):
        try:
            return _start(make)
        except StartFailed:
            continue
    return _start(make)


def _start(make: Callable[[int], Process]) -> tuple[Process, int]:
    port = free_port()
    process = make(port)
    process.wait_for_port(port)
    return process, port
