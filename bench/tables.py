"""Results as text: one Markdown table for each scenario, and the goals."""

from __future__ import annotations

from dataclasses import dataclass

from bench.results import US, Results, Spread


@dataclass(frozen=True)
class Column:
    measure: str
    title: str
    digits: int = 1


_CPU = Column("cpu_us", "CPU µs per delivery", 2)
_REDIS = Column("redis_us", "+ in Redis", 2)
_P50, _P99 = Column("p50_ms", "p50 ms", 2), Column("p99_ms", "p99 ms", 2)
_LOAD = Column("load_share", "load client busy", 2)
_PACED = (_CPU, _REDIS, _P50, _P99, _LOAD)
_FULL = (
    Column("deliveries_per_second", "deliveries/s", 0), _CPU, _REDIS, _P99,
    Column("events", "events", 0), Column("deliveries_per_receive", "events per read", 1),
    Column("server_share", "server busy", 2), _LOAD,
)  # fmt: skip
_PUBLISH = (
    Column("cpu_us", "CPU µs per event", 1), Column("redis_us", "+ in Redis", 1),
    Column("events_per_core_second", "events/s of a core", 0),
    Column("events_per_second", "events/s", 0), _P50, _P99, _LOAD,
)  # fmt: skip
_STORM = (
    Column("cpu_and_redis_us", "CPU µs per return, Redis included", 0),
    Column("cpu_us_per_arrival", "server", 0), Column("redis_us_per_arrival", "Redis", 0),
    Column("seconds", "s until all have it", 2), Column("replayed", "events replayed to each", 0),
)  # fmt: skip
_READING = (
    Column("cpu_us", "CPU µs per delta", 1),
    Column("deltas_per_event", "deltas per event", 1),
)
_WAY = (
    _P50, _P99, Column("max_ms", "max ms", 1), Column("worker_us", "CPU µs: worker", 1),
    Column("redis_us", "Redis", 1), Column("web_us", "web", 1),
    Column("worker_share", "worker, cores", 2),
    Column("provider_late_ms", "provider late ms", 1),
    Column("deltas_per_event", "deltas per event", 2),
)  # fmt: skip
COLUMNS = {
    "paced-1000": _PACED,
    "paced-5000": _PACED,
    "full-1000": _FULL,
    "full-5000": _FULL,
    "channels": (
        _CPU, _REDIS, Column("cpu_and_redis_us", "together", 2), _P50, _P99, _LOAD,
        Column("publisher_late_ms", "publisher late ms"),
    ),
    "memory": (
        Column("kib_per_listener", "KiB per listener", 2),
        Column("redis_kib_per_listener", "+ in Redis", 2),
        Column("server_mib", "server MiB"),
    ),
    "arrive": (
        Column("cpu_us_per_arrival", "CPU µs per arrival", 0),
        Column("redis_us_per_arrival", "+ in Redis", 0),
        Column("seconds", "s until all are there", 2),
        Column("kib_right_after", "KiB a listener right after", 2),
        Column("kib_idle", "idle", 2), Column("left_ratio", "server when they left, × before", 2),
        Column("base_mib", "server MiB before"),
    ),
    "storm": _STORM,
    "storm-deep": _STORM,
    "publish-1": _PUBLISH,
    "publish-8": _PUBLISH,
    "publish-64": _PUBLISH,
    "publish-lines": _PUBLISH,
    "stalled": (
        Column("p50_ms", "p50 ms alone", 2), Column("p99_ms", "p99 ms alone", 2),
        Column("p50_beside_ms", "p50 ms beside", 2), Column("p99_beside_ms", "p99 ms beside", 2),
        Column("p99_ratio", "p99 ratio", 2),
    ),
    "crowd": (
        Column("arrival_us", "CPU µs per arrival", 0),
        Column("arrival_seconds", "s until all are there"),
        Column("kib_per_listener", "KiB a listener", 2),
        Column("kernel_kib_per_listener", "+ in the kernel, both ends", 2),
        Column("heartbeat_share", "heartbeats, cores", 3),
        Column("one_event_seconds", "an event at all, s", 2),
        Column("one_event_us", "CPU µs per delivery", 1),
        Column("ten_a_second_p99_ms", "10 events/s: p99 ms", 0),
        Column("ten_a_second_share", "cores", 2),
        Column("killed_back_seconds", "a killed process's back, s", 1),
        Column("killed_all_have_it_seconds", "… and have what came meanwhile, s", 1),
        Column("restart_seconds", "all restarted in turn, s", 0),
    ),
    "delta-way": _WAY,
    "delta-way-1000": _WAY,
    "first-delta": (
        Column("added_20_ms", "20/s: ms added", 2), Column("added_20_p99_ms", "p99", 1),
        Column("there_20_ms", "of it to the provider", 2),
        Column("cpu_20_ms", "CPU ms a request", 1),
        Column("added_1_ms", "1/s: ms added", 2), Column("added_100_ms", "100/s: ms added", 2),
        Column("added_100_p99_ms", "p99", 1), Column("failed_100", "failed", 0),
    ),
    "worker-burst": _READING,
    "worker-paced": _READING,
}  # fmt: skip


def scenario_table(results: Results, scenario: str) -> str:
    """The last column is the first one's median ratio to Hubbub in the same round."""
    columns = COLUMNS[scenario]
    lines = [
        "| | " + " | ".join(column.title for column in columns) + " | × Hubbub |",
        "| --- |" + " --- |" * (len(columns) + 1),
    ]
    for peer in results.peers(scenario):
        cells = [
            _cell(results.spread(scenario, peer, column.measure), column.digits)
            for column in columns
        ]
        ratio = results.ratio(scenario, peer, US, columns[0].measure)
        cells.append("" if peer == US or ratio is None else f"{ratio.median:.3g}")
        title = results.titles["peers"][peer]
        lines.append(f"| {'**' + title + '**' if peer == US else title} | "
                     + " | ".join(cells) + " |")  # fmt: skip
    return "\n".join(lines)


def goal_table(results: Results) -> str:
    lines = ["| goal | bound | found (min to max) | |", "| --- | --- | --- | --- |"]
    for goal, found in results.goals():
        if found is None:
            continue
        bound = f"{'≥' if goal.least else '≤'} {goal.bound:g}"
        verdict = "holds" if goal.holds(found.median) else "**missed**"
        lines.append(f"| {goal.text} | {bound} | {_cell(found, 2)} | {verdict} |")
    return "\n".join(lines)


def trouble(results: Results) -> str:
    lines = [
        f"* {results.titles['peers'].get(peer, peer)}, {results.titles['scenarios'][scenario]}: "
        + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
        for (scenario, peer), counts in results.broken().items()
    ]
    lines += [
        f"* {results.titles['peers'].get(peer, peer)}, {results.titles['scenarios'][scenario]}: "
        f"{text.splitlines()[0]}"
        for scenario, peer, text in results.failures()
    ]
    return "\n".join(lines)


def _cell(spread: Spread | None, digits: int) -> str:
    if spread is None:
        return ""
    middle, low, high = (f"{value:,.{digits}f}" for value in (
        spread.median, spread.low, spread.high
    ))  # fmt: skip
    return middle if low == high else f"{middle} ({low} to {high})"
