"""(j) A hundred thousand listeners on this machine: several web processes on the server's core, and
for each a load client on a loopback address of its own, for a process may open 20,000 files.

They arrive, idle (heartbeats), hear one event, and ten a second; one process is killed and its
listeners return to its successor; then every process is restarted in turn, as an update does.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.environment import Environment
from bench.load import Load, LoadFailed, Loads, Traffic
from bench.peers.hub import TOKEN, Appends, load_script, web
from bench.peers.peer import Peer, start, start_redis
from bench.processes import Process
from bench.session import integrity

EVENT_BYTES = 200
AT_ONCE = 500
SETTLE_SECONDS = 1.5
_PATH = f"/channels/crowd-0/events?token={TOKEN}"
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") / 1024


@dataclass(frozen=True)
class Crowd:
    """`idle_seconds`: how long heartbeats are watched; `busy_seconds`: ten events a second."""

    processes: int
    listeners: int
    idle_seconds: float
    busy_seconds: float
    name: str = "crowd"
    peers: tuple[str, ...] = ("hub",)

    @property
    def title(self) -> str:
        return f"{self.processes * self.listeners:,} listeners in {self.processes} web processes"

    def measure(self, environment: Environment, peer: Peer) -> dict[str, Any]:
        log = environment.out / "crowd.log"
        log.unlink(missing_ok=True)
        with ExitStack() as started:
            place = _Place(environment, log, self.processes, self.listeners, started)
            found = place.arrive()
            found |= place.idle(self.idle_seconds)
            found |= place.hear(self.busy_seconds)
            found |= place.lose_a_process()
            found |= place.restart_all()
            return {**found, "integrity": place.integrity}


class _Place:
    def __init__(
        self,
        environment: Environment,
        log: Path,
        processes: int,
        listeners: int,
        started: ExitStack,
    ) -> None:
        redis, redis_port = start_redis(environment, log)
        started.callback(redis.stop)
        load_script(redis_port)
        self._webs: list[Process] = []
        self._loads: list[Load] = []
        for number in range(processes):
            process, port = start(lambda port: _web(port, redis_port, log))
            started.callback(process.stop)
            self._webs.append(process)
            address = f"127.0.0.{number + 2}"
            self._loads.append(Load(environment.program("listen"), port, log, address))
            started.callback(self._loads[-1].stop)
        self._each = listeners
        self._count = processes * listeners
        together = Loads(self._loads)
        self._appends = Appends(redis_port, 1)
        self._traffic = Traffic(together, self._appends("crowd", 1, EVENT_BYTES), log)
        self.integrity = {"missing": 0, "doubled_or_late": 0, "excess": 0}

    def arrive(self) -> dict[str, Any]:
        for load in self._loads:  # what a process needs for its first ones
            load.at_once(AT_ONCE)
            load.open(1, 200, _PATH)
            load.close()
        time.sleep(SETTLE_SECONDS)
        memory, kernel, cpu, began = (
            self._memory_kib(),
            _kernel_kib(),
            self._cpu(),
            time.monotonic(),
        )
        for load in self._loads:
            load.open(1, self._each, _PATH)
        seconds, spent = time.monotonic() - began, self._cpu() - cpu
        time.sleep(SETTLE_SECONDS)
        return {
            "arrival_us": spent / self._count * 1e6,
            "arrival_seconds": seconds,
            "kib_per_listener": (self._memory_kib() - memory) / self._count,
            "kernel_kib_per_listener": (_kernel_kib() - kernel) / self._count,
        }

    def idle(self, seconds: float) -> dict[str, Any]:
        cpu, began = self._cpu(), time.monotonic()
        time.sleep(seconds)
        return {"heartbeat_share": (self._cpu() - cpu) / (time.monotonic() - began)}

    def hear(self, seconds: float) -> dict[str, Any]:
        self._hear(2, 1)
        cpu = self._cpu()
        one = self._hear(1, 1)
        one_us = (self._cpu() - cpu) / self._count * 1e6
        cpu, began = self._cpu(), time.monotonic()
        many = self._hear(int(seconds * 10), 10)
        share = (self._cpu() - cpu) / (time.monotonic() - began)
        return {
            "one_event_seconds": one["max_ms"] / 1000,
            "one_event_us": one_us,
            "ten_a_second_p99_ms": many["p99_ms"],
            "ten_a_second_share": share,
            "ten_a_second_per_receive": many["deliveries"] / max(1, many["receives"]),
        }

    def lose_a_process(self) -> dict[str, Any]:
        """An event is published while nobody has them, and they get it when they are back."""
        load = self._loads[0]
        load.returns(self._newest())
        worker = self._webs[0].children()[0]
        began = time.monotonic()
        os.kill(worker, signal.SIGKILL)
        _until(lambda: load.back()["cut_off"] >= self._each)
        arrived = self._hear(1, 1)
        seconds = load.back()["last_back_us"] / 1e6 - began
        return {
            "killed_back_seconds": seconds,
            "killed_all_have_it_seconds": arrived["last_arrival_us"] / 1e6 - began,
        }

    def restart_all(self) -> dict[str, Any]:
        """One after the other, the next when the last one's listeners are back."""
        newest, began = self._newest(), time.monotonic()
        for load, process in zip(self._loads, self._webs, strict=True):
            load.returns(newest)
            os.kill(process.pid, signal.SIGHUP)
            _until(lambda load=load: load.back()["back"] == self._each)  # type: ignore[misc]
            time.sleep(SETTLE_SECONDS)  # what has come to a process that ends is sent on once more
            _until(lambda load=load: load.back()["back"] == self._each)  # type: ignore[misc]
        seconds = time.monotonic() - began
        self._hear(1, 1)
        return {"restart_seconds": seconds}

    def _hear(self, events: int, per_second: float) -> dict[str, Any]:
        arrived, _ = self._traffic.measure(events, per_second, seconds=events / per_second + 60)
        for name, count in integrity(arrived).items():
            if name in self.integrity:
                self.integrity[name] += count
        return arrived

    def _newest(self) -> str:
        return self._appends.newest("crowd-0")

    def _cpu(self) -> float:
        return sum(process.cpu_seconds() for process in self._webs)

    def _memory_kib(self) -> float:
        return sum(process.memory_kib() for process in self._webs)


def _web(port: int, redis_port: int, log: Path) -> Process:
    return web(port, redis_port, log, HUB_MAX_LISTENERS="17500", HUB_GRACE_SECONDS="3")


def _kernel_kib() -> float:
    """What the kernel holds for all sockets of this machine, both ends: their buffers and its own
    objects."""
    pages = 0
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        if line.startswith("TCP:"):
            pages = int(line.split()[-1])
    slab = next(
        int(line.split()[1])
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("Slab:")
    )
    return pages * _PAGE_KIB + slab


def _until(done: Callable[[], bool], seconds: float = 60) -> None:
    give_up = time.monotonic() + seconds
    while not done():
        if time.monotonic() > give_up:
            raise LoadFailed("the listeners did not come back")
        time.sleep(0.1)
