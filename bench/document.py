"""`docs/performance.md` and its plot, written from a run's results."""

from __future__ import annotations

from pathlib import Path

from bench import plot, tables
from bench.results import Results

DOCS = Path(__file__).parent.parent / "docs"
NOTES = Path(__file__).parent / "notes.md"
"""What a person has to say about the figures that are kept in `docs/`."""
EARLIER = Path(__file__).parent / "earlier.md"
"""Tables of an earlier run, of what the last one did not measure."""
_METHOD = """\
# Performance

What one core delivers, beside its peers. For planning see [scaling](scaling.md). Each table is
from one run of `make bench` on one machine ({cpu}, {cores} cores, Linux {kernel}, {when});
the run writes this page and the plot. The absolute figures are this machine's; only the ratios
carry over.

![Hubbub and its peers, one run](performance.svg)

## How it was measured

* One core runs the server under test, the other everything else: the load client, the publisher,
  Redis, and the provider if there is one. {rounds} rounds; a cell shows the median and, in
  brackets, the lowest and the highest.
* The load client (`bench/native/listen.c`, one thread, epoll) checks each listener separately:
  every payload has a number that must follow the one before it. Missing, doubled or disordered
  events are listed under "Not as it should be". Latency is the time of reading minus the time at
  which the publisher composed the event. "Load client busy" is its share of a core between the
  first publish and the last arrival; well under 1, the load client was not the limit.
* CPU is the user and system time of the server's processes, from `/proc`; Redis is counted
  separately.
* Events are published to each peer in the cheapest way that keeps them in order: Redis' `PUBLISH`,
  pipelined, for flask-sse and FastAPI; `POST`, pipelined on one connection, for nchan, Centrifugo
  and Mercure; lines on a socket for the bare loops. For Hubbub it is the append script, as a worker
  or another program sends it: one event per call when paced, {burst} a call at full speed (nchan
  and `PUBLISH` have no such call). All commands are composed beforehand.
* Memory is the proportional set size of the server's processes; socket buffers belong to the kernel
  and are in no figure. Hubbub's listeners are ordinary ones with verdict and heartbeats. Hubbub,
  Centrifugo and Mercure get a token at each arrival; at each publish Hubbub and Mercure get a
  token, Centrifugo its key. The others need none.
* The peers are set up as their documentation says, with what makes them fast: gunicorn's gevent
  worker for flask-sse, uvicorn with uvloop and httptools, hiredis, one nginx worker without an
  access log, limits raised. "Own pub/sub" is the recipe of tutorials, a Redis subscription for each
  listener; "shared" has one for all and a queue for each. The former is left out at 5,000. The
  bare loops know no HTTP beyond the first answer: they show what `send` costs.

Versions: {versions}.

## Goals

{goals}
{trouble}
## Figures

The last column is the first column's value as a multiple of Hubbub's in the same round.
"""
_REPEAT = """
## To repeat it

    make bench                                   everything, three rounds (about an hour)
    bench/run --quick                            a smoke run of about a minute
    bench/run --only storm,memory --rounds 1     some of it; --peers nchan,hub for some peers
    bench/run --only crowd --keep --docs         one again, the others as they were
    bench/run --report --docs                    this page again, from bench/out/results.json

It needs two cores, 11,000 open files (`ulimit -n`; 20,000 for the crowd), a C compiler, and
installs its peers into `bench/out/`; nginx with nchan comes from the system's packages (`nginx
libnginx-mod-nchan`), and Centrifugo is built from its Go module. Other work on the machine widens
the spans, of latencies most of all.
"""


def write(results: Results, burst_events: int) -> None:
    rounds = len({sample["round"] for sample in results.samples})
    trouble = tables.trouble(results)
    parts = [
        _METHOD.format(
            **results.machine,
            rounds=rounds,
            burst=burst_events,
            versions=", ".join(f"{name} {version}" for name, version in results.versions.items()),
            goals=tables.goal_table(results),
            trouble=f"\n## Not as it should be\n\n{trouble}\n" if trouble else "",
        )
    ]
    for scenario in results.scenarios():
        parts.append(
            f"\n### {results.titles['scenarios'][scenario]}\n\n"
            f"{tables.scenario_table(results, scenario)}\n"
        )
    if EARLIER.exists():
        parts.append(f"\n{EARLIER.read_text()}")
    parts.append(f"\n{NOTES.read_text()}")
    parts.append(_REPEAT)
    DOCS.mkdir(exist_ok=True)
    (DOCS / "performance.md").write_text("".join(parts))
    (DOCS / "performance.svg").write_text(plot.picture(results))
