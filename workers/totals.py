"""What is counted of the generations, in Redis, once each: sums over all workers for `/metrics`.

Names of the totals:

    ended:<status>            generations that ended so
    first_delta:<seconds>     of these, how many had their first delta within so many seconds
    first_delta:count, :sum   how many had one at all, and their seconds together
"""

from __future__ import annotations

FIRST_DELTA_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


def ended(status: str, first_delta_seconds: float | None = None) -> dict[str, float]:
    """The amounts for a generation that has ended. `first_delta_seconds` is since its creation."""
    amounts = {f"ended:{status}": 1.0}
    if first_delta_seconds is not None:
        for bucket in FIRST_DELTA_BUCKETS:
            if first_delta_seconds <= bucket:
                amounts[f"first_delta:{bucket:g}"] = 1.0
        amounts["first_delta:count"] = 1.0
        amounts["first_delta:sum"] = round(first_delta_seconds, 6)
    return amounts
