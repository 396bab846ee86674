"""What a checked token costs an arrival: the web process' CPU with one and without, by turns.

.venv/bin/python -m bench.tokens [LISTENERS [STARTS]]

At an open hub, at the same one with a token in the address, which nobody reads there (so many bytes
more), and at a hub with keys that has checked this token before. No two processes are alike: the
hubs are started anew several times, and how much they differ is told.
"""

from __future__ import annotations

import statistics
import sys
import time
from contextlib import ExitStack

from bench import environment as environments
from bench.environment import Environment
from bench.load import Load
from bench.peers.hub import TOKEN, web
from bench.peers.peer import start, start_redis
from bench.processes import Process

OPEN, KEYED = "open", "keyed"
SETTINGS = {OPEN: {"HUB_JWT_SECRET": ""}, KEYED: {}}
KINDS = {
    "without a token": (OPEN, ""),
    "the same bytes, not read": (OPEN, f"?token={TOKEN}"),
    "a checked token": (KEYED, f"?token={TOKEN}"),
}
ROUNDS = 4
SETTLE_SECONDS = 0.4


def main() -> int:
    listeners, starts = [*map(int, sys.argv[1:]), *(2000, 5)[len(sys.argv) - 1 :]]
    environment = environments.ours()
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(starts):
        for kind, spent in _one_start(environment, listeners, number).items():
            found[kind].append(spent)
    print(f"{starts} starts, {ROUNDS} × {listeners} arrivals of each kind, by turns:")
    print("| arrival | CPU µs | of the starts | × without |\n| --- | --- | --- | --- |")
    base = statistics.fmean(found["without a token"])
    for kind, of_starts in found.items():
        mean = statistics.fmean(of_starts)
        spread = f"{min(of_starts):.0f} to {max(of_starts):.0f}"
        print(f"| {kind} | {mean:.1f} | {spread} | {mean / base:.3f} |")
    return 0


def _one_start(environment: Environment, listeners: int, number: int) -> dict[str, float]:
    spent = dict.fromkeys(KINDS, 0.0)
    with ExitStack() as started:
        hubs = _hubs(environment, started, (OPEN, KEYED)[:: (-1) ** number])
        for turn in range(ROUNDS + 1):  # the first one warms
            for kind, (keys, query) in KINDS.items():
                server, load = hubs[keys]
                before = server.cpu_seconds()
                load.open(1, listeners, f"/channels/tokens-%d/events{query}")
                time.sleep(SETTLE_SECONDS)
                cpu = server.cpu_seconds() - before
                load.close()
                time.sleep(SETTLE_SECONDS)
                if turn:
                    spent[kind] += cpu / listeners / ROUNDS * 1e6
    return spent


def _hubs(
    environment: Environment, started: ExitStack, order: tuple[str, ...]
) -> dict[str, tuple[Process, Load]]:
    log = environment.out / "tokens.log"
    redis, redis_port = start_redis(environment, log)
    started.callback(redis.stop)
    hubs = {}
    for name in order:

        def command(port: int, settings: dict[str, str] = SETTINGS[name]) -> Process:
            return web(port, redis_port, log, **settings)

        server, port = start(command)
        started.callback(server.stop)
        load = Load(environment.program("listen"), port, log)
        started.callback(load.stop)
        hubs[name] = server, load
    return hubs


if __name__ == "__main__":
    sys.exit(main())
