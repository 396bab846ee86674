"""What a delta costs the web process for each listener, in each of a generation's formats.

.venv/bin/python -m bench.dialects [WATCHERS [GENERATIONS]]

Each generation is watched by so many; those of one format share a rendering.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator

from bench import environment as environments
from bench.environment import Environment
from bench.generating import Generating, generating
from bench.session import integrity

FORMATS = ("events", "openai", "text", "ai-sdk", "ag-ui")
ROUNDS = 3
PER_SECOND, SECONDS = 50, 4


def main() -> int:
    watchers, generations = [*map(int, sys.argv[1:]), *(100, 10)[len(sys.argv) - 1 :]]
    environment = environments.prepare()
    found: dict[str, list[float]] = {name: [] for name in FORMATS}
    for _ in range(ROUNDS):
        for name, cpu in _round(environment, watchers, generations):
            found[name].append(cpu)
    print(f"{generations} generations × {PER_SECOND} deltas/s, {watchers} watchers each:")
    print("| format | CPU µs per delta and listener | × `events` |\n| --- | --- | --- |")
    base = statistics.median(found["events"])
    for name, all_of_it in found.items():
        middle = statistics.median(all_of_it)
        spread = f"{min(all_of_it):.2f} to {max(all_of_it):.2f}"
        print(f"| `{name}` | {middle:.2f} ({spread}) | {middle / base:.2f} |")
    return 0


def _round(
    environment: Environment, watchers: int, generations: int
) -> Iterator[tuple[str, float]]:
    for name in FORMATS:
        with generating(environment) as g:
            yield name, _cpu_us(g, name, watchers, generations)


def _cpu_us(g: Generating, name: str, watchers: int, generations: int) -> float:
    deltas = PER_SECOND * SECONDS
    g.load.expect(0, deltas)
    paths = [f"/generations/{one}/events?format={name}" for one in g.asked(generations)]
    g.load.open_paths(paths * watchers)
    time.sleep(0.5)
    before = g.web.cpu_seconds()
    g.provider.go(deltas, PER_SECOND)
    arrived = g.load.wait(SECONDS + 20)
    spent = g.web.cpu_seconds() - before
    wrong = {what: count for what, count in integrity(arrived).items() if count}
    if wrong or arrived["deliveries"] != deltas * watchers * generations:
        print(f"{name}: {arrived['deliveries']} deliveries, {wrong}", file=sys.stderr)
    return float(spent / (deltas * watchers * generations) * 1e6)


if __name__ == "__main__":
    sys.exit(main())
