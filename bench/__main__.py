"""`bench/run`: measure Hubbub and its peers in one run; tables, ratios, JSON.

bench/run                          everything, three rounds
bench/run --quick                  a smoke run of about a minute; its figures mean nothing
bench/run --only storm,memory --peers nchan,hub --rounds 1
bench/run --report                 the last results once more, and docs/performance.md from them
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from bench import document, plan, tables
from bench import environment as environments
from bench.environment import OUT, Environment
from bench.load import LoadFailed
from bench.peers.hub import BURST_EVENTS
from bench.peers.peer import Peer
from bench.processes import LOAD_CORE, StartFailed, raise_file_limit
from bench.results import Results, machine
from bench.scenarios.scenario import Scenario

QUICK_PEERS = "nchan,openai-threads,hub"


def main() -> int:
    options = _options()
    path = Path(options.json)
    if options.report:
        results = Results.load(path)
        _report(results)
        if options.docs:
            document.write(results, BURST_EVENTS)
        return 0
    if raise_file_limit() < 11_000 and not options.quick:
        print("this needs 11,000 open files: raise `ulimit -n`", file=sys.stderr)
        return 2
    if (os.cpu_count() or 1) < 2:
        print("this needs two cores: one for the server, one for the load", file=sys.stderr)
        return 2
    environment = environments.prepare()
    os.sched_setaffinity(0, {LOAD_CORE})
    results = _measure(environment, options)
    results.write(path)
    _report(results, goals=not options.quick)
    if options.docs:
        document.write(results, BURST_EVENTS)
    print(f"\nwritten: {path}")
    return 1 if results.broken() or results.failures() else 0


def _measure(environment: Environment, options: argparse.Namespace) -> Results:
    peers = plan.peers(environment)
    wanted = options.peers or (QUICK_PEERS if options.quick else "")
    if wanted:
        peers = {name: peer for name, peer in peers.items() if name in wanted.split(",")}
    scenarios = [
        scenario
        for scenario in plan.scenarios(quick=options.quick)
        if not options.only or scenario.name in options.only.split(",")
    ]
    results = Results(machine(), environments.versions(environment))
    results.titles = {
        "scenarios": {scenario.name: scenario.title for scenario in scenarios},
        "peers": {name: peer.title for name, peer in peers.items()},
    }
    if options.keep:
        results.keep(Results.load(Path(options.json)))
    for round_ in range(1 if options.quick else options.rounds):
        for scenario in scenarios:
            for name in scenario.peers:
                if name in peers:
                    figures = _sample(environment, scenario, peers[name], round_)
                    results.add(round_, scenario.name, name, figures)
                    results.write(Path(options.json))
    return results


def _sample(
    environment: Environment, scenario: Scenario, peer: Peer, round_: int
) -> dict[str, Any]:
    began = time.monotonic()
    try:
        figures = scenario.measure(environment, peer)
    except (LoadFailed, StartFailed) as error:
        figures = {"failed": str(error)}
    shown = "  ".join(
        f"{name} {value:,.4g}" if isinstance(value, int | float) else f"{name} {value}"
        for name, value in figures.items()
    )
    print(
        f"[{round_ + 1}] {scenario.name:12} {peer.name:15} {time.monotonic() - began:5.1f} s  "
        f"{shown}",
        flush=True,
    )
    return figures


def _report(results: Results, *, goals: bool = True) -> None:
    for scenario in results.scenarios():
        print(f"\n{results.titles['scenarios'][scenario]}\n")
        print(tables.scenario_table(results, scenario))
    if goals:
        print(f"\n{tables.goal_table(results)}")
    if trouble := tables.trouble(results):
        print(f"\nnot as it should be:\n{trouble}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/run", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small numbers, a few peers")
    parser.add_argument("--only", default="", help="scenarios, separated by commas")
    parser.add_argument("--peers", default="", help="peers, separated by commas")
    parser.add_argument("--json", default=str(OUT / "results.json"))
    parser.add_argument("--keep", action="store_true", help="keep other scenarios' last results")
    parser.add_argument("--docs", action="store_true", help="write docs/performance.md")
    parser.add_argument("--report", action="store_true", help="do not measure")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
