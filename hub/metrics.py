"""What is counted, and how the processes of one gunicorn add it up (contract §8, `/metrics`).

Counting is plain numbers, added up where they arise, once per turn and not per delivery. Each
process writes its figures into a file of the gunicorn's scoreboard; whichever is asked adds the
files up. The figures of a process that has gone stay in the sums; its gauges do not. Text and types
are prometheus-client's; its own multi-process mode would cost a locked write per increment.
"""

from __future__ import annotations

import json
import os
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import accumulate
from pathlib import Path

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

SCOREBOARD = "HUBBUB_SCOREBOARD"
"""The environment variable in which gunicorn's master tells its workers the directory."""

LAG_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the delivery lag's buckets, in seconds."""

_COUNTERS = {
    "published": ("hubbub_events_published", "Events that publishers stored over HTTP."),
    "deliveries": ("hubbub_deliveries", "Events written to listeners as they came in."),
    "gaps": ("hubbub_gaps", "Gaps sent: listeners that learned of a loss."),
    "stalled": ("hubbub_stalled", "Listeners closed because they took nothing."),
    "repairs": ("hubbub_repairs", "Holes in the announcements, filled from history."),
    "made_room": ("hubbub_waiting_refused", "Connections closed because too many were waiting."),
    "redis_reconnects": ("hubbub_redis_reconnects", "Subscriptions that had to be made again."),
}
_GAUGES = {
    "listeners": ("hubbub_listeners", "Open streams."),
    "waiting": ("hubbub_waiting", "Connections of which a request or its body is awaited."),
    "behind": ("hubbub_listeners_behind", "Open streams that are not at the head."),
    "arriving": ("hubbub_arrivals_waiting", "Requests for a stream that wait to be let in."),
    "memory_bytes": ("hubbub_memory_bytes", "Resident memory of the web processes."),
}
_MAXIMA = {
    "longest_step": (
        "hubbub_longest_step_seconds",
        "The longest that one step held a process's loop in the last one to two minutes.",
    ),
    "longest_step_cpu": (
        "hubbub_longest_step_cpu_seconds",
        "The same in the processor's time: what it was busy with, not what it waited for.",
    ),
}
_REPLAY, _LAG = "replay:", "lag:"
_RESTARTS, _STUCK = "restarts:", "stuck:"

Figures = dict[str, float]


class Counters:
    def __init__(self) -> None:
        self.published = 0
        self.deliveries = 0
        self.gaps = 0
        self.stalled = 0
        self.repairs = 0
        self.replays: Counter[str] = Counter()
        self.lag_buckets = [0] * (len(LAG_BOUNDS) + 1)
        self.lag_sum_seconds = 0.0

    def served(self, listeners: int, events: int, published_us: int) -> None:
        """`events`, the oldest of them published at `published_us` (0: long ago), go to so many."""
        deliveries = listeners * events
        self.deliveries += deliveries
        if published_us:
            # Redis' clock and this one may differ, and a sum that falls is no counter.
            lag_seconds = max(0.0, time.time() - published_us / 1e6)
            self.lag_buckets[bisect_left(LAG_BOUNDS, lag_seconds)] += deliveries
            self.lag_sum_seconds += lag_seconds * deliveries

    def figures(self) -> Figures:
        found: Figures = {
            "published": self.published,
            "deliveries": self.deliveries,
            "gaps": self.gaps,
            "stalled": self.stalled,
            "repairs": self.repairs,
            f"{_LAG}sum": self.lag_sum_seconds,
        }
        found |= {f"{_LAG}{number}": count for number, count in enumerate(self.lag_buckets)}
        return found | {f"{_REPLAY}{verdict}": count for verdict, count in self.replays.items()}


class Scoreboard:
    """The figures of all processes of one gunicorn. Without a directory: of this one."""

    def __init__(self, directory: str | None) -> None:
        self._directory = Path(directory) if directory else None

    def write(self, figures: Mapping[str, float]) -> None:
        if self._directory is None:
            return
        path = self._directory / str(os.getpid())
        temporary = path.with_suffix(".new")
        try:
            # Again where it was tidied away: systemd empties /dev/shm when its user logs out.
            self._directory.mkdir(mode=0o700, exist_ok=True)
            temporary.write_text(json.dumps(figures))
            temporary.replace(path)
        except OSError:
            pass  # a full directory costs figures, not streams

    def total(self, own: Mapping[str, float]) -> Figures:
        """The sums, with this process's figures as they are now."""
        sums: defaultdict[str, float] = defaultdict(float, own)
        for path in self._others():
            alive = _alive(int(path.name))
            for name, value in _read(path).items():
                if name in _MAXIMA:
                    sums[name] = max(sums[name], value) if alive else sums[name]
                elif alive or not (name in _GAUGES or name.startswith(_STUCK)):
                    sums[name] += value
        return dict(sums)

    def each(self, own: Mapping[str, float]) -> dict[int, Figures]:
        """The figures of every process that lives, by its id."""
        others = {int(path.name): _read(path) for path in self._others()}
        return {os.getpid(): dict(own)} | {pid: one for pid, one in others.items() if _alive(pid)}

    def _others(self) -> list[Path]:
        if self._directory is None:
            return []
        own = str(os.getpid())
        try:
            return [p for p in self._directory.iterdir() if p.name.isdigit() and p.name != own]
        except OSError:
            return []


def lag_counts(figures: Mapping[str, float]) -> list[float]:
    """Deliveries by their lag: one count for each of `LAG_BOUNDS`, and one for what is above."""
    return [figures.get(f"{_LAG}{n}", 0) for n in range(len(LAG_BOUNDS) + 1)]


def replay_counts(figures: Mapping[str, float]) -> dict[str, float]:
    """How many resumes ended with which verdict."""
    return {
        name.removeprefix(_REPLAY): count
        for name, count in sorted(figures.items())
        if name.startswith(_REPLAY)
    }


def resident_bytes() -> int:
    """The memory of this process that is in use; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def families(figures: Figures) -> Iterable[Metric]:
    for name, (metric, text) in _COUNTERS.items():
        yield CounterMetricFamily(metric, text, value=figures.get(name, 0))
    for name, (metric, text) in (_GAUGES | _MAXIMA).items():
        yield GaugeMetricFamily(metric, text, value=figures.get(name, 0))
    replays = CounterMetricFamily(
        "hubbub_replays", "Resume verdicts: recovered, or why not.", labels=["verdict"]
    )
    for verdict, count in replay_counts(figures).items():
        replays.add_metric([verdict], count)
    yield replays
    yield from loop_families(figures)
    counts = accumulate(lag_counts(figures))
    bounds = [*map(str, LAG_BOUNDS), "+Inf"]
    yield HistogramMetricFamily(
        "hubbub_delivery_lag_seconds",
        "From an event's publication to its being handed to a listener's socket.",
        buckets=list(zip(bounds, counts, strict=True)),
        sum_value=figures.get(f"{_LAG}sum", 0),
    )


def loop_families(figures: Figures) -> Iterable[Metric]:
    """How the loops of the processes have fared (`fanout.loops`)."""
    restarts = CounterMetricFamily(
        "hubbub_loop_restarts",
        "Loops of a process that died and were started again.",
        labels=["loop"],
    )
    stuck = GaugeMetricFamily(
        "hubbub_loop_stuck", "Loops that make no progress at the moment.", labels=["loop"]
    )
    for name, value in sorted(figures.items()):
        if name.startswith(_RESTARTS):
            restarts.add_metric([name.removeprefix(_RESTARTS)], value)
        elif name.startswith(_STUCK):
            stuck.add_metric([name.removeprefix(_STUCK)], value)
    yield restarts
    yield stuck


def _read(path: Path) -> Figures:
    try:
        found: Figures = json.loads(path.read_text())
        return found
    except (OSError, ValueError):
        return {}


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
