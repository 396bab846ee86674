"""What `/status/data` says of the generations and their workers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from workers.metrics import ended_by_status
from workers.store import Generations
from workers.totals import FIRST_DELTA_BUCKETS

RECENT = 15
LISTED = ("id", "status", "model", "created", "attempt", "usage")


def status(generations: Generations) -> dict[str, Any]:
    """Raises `RedisUnavailable`."""
    queue = generations.queue
    counts = queue.counts()
    newest = (one.in_list(0) for one in generations.newest(RECENT))
    within = [0.0, *(counts.totals.get(f"first_delta:{b:g}", 0.0) for b in FIRST_DELTA_BUCKETS)]
    within.append(counts.totals.get("first_delta:count", 0.0))
    return {
        "jobs": {"queued": counts.queued, "running": counts.running},
        "generations": ended_by_status(counts),
        "first_delta": [
            {"seconds": bound, "count": above - below}
            for bound, (below, above) in zip(
                [*FIRST_DELTA_BUCKETS, None], pairwise(within), strict=True
            )
        ],
        "workers": [
            {
                "name": worker.name,
                "jobs": worker.jobs,
                "lease_seconds": round(worker.alive_ms / 1000, 1),
            }
            for worker in queue.workers()
        ],
        "recent": [{name: one[name] for name in LISTED} for one in newest],
    }
