"""What `/metrics` says of the generations: the sums that all workers keep in Redis."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from workers.queue import Counts
from workers.totals import FIRST_DELTA_BUCKETS

_ENDED = "ended:"


def families(counts: Counts, longest_step_seconds: float) -> Iterable[Metric]:
    yield GaugeMetricFamily("hubbub_jobs_queued", "Generations that wait.", value=counts.queued)
    yield GaugeMetricFamily("hubbub_jobs_running", "Generations that run.", value=counts.running)
    yield GaugeMetricFamily(
        "hubbub_workers", "Workers that live and are well.", value=counts.workers
    )
    yield GaugeMetricFamily(
        "hubbub_workers_unwell", "Workers that cannot send.", value=len(counts.unwell)
    )
    yield GaugeMetricFamily(
        "hubbub_worker_longest_step_seconds",
        "The longest recent step of a worker's loop, in processor time.",
        value=longest_step_seconds,
    )
    ended = CounterMetricFamily(
        "hubbub_generations", "Generations that have ended.", labels=["status"]
    )
    for status, count in ended_by_status(counts).items():
        ended.add_metric([status], count)
    yield ended
    total = counts.totals.get("first_delta:count", 0)
    buckets = [
        (f"{bound:g}", counts.totals.get(f"first_delta:{bound:g}", 0))
        for bound in FIRST_DELTA_BUCKETS
    ]
    yield HistogramMetricFamily(
        "hubbub_generation_first_delta_seconds",
        "From a generation's creation to its first delta.",
        buckets=[*buckets, ("+Inf", total)],
        sum_value=counts.totals.get("first_delta:sum", 0),
    )


def ended_by_status(counts: Counts) -> dict[str, float]:
    return {
        name.removeprefix(_ENDED): count
        for name, count in sorted(counts.totals.items())
        if name.startswith(_ENDED)
    }
