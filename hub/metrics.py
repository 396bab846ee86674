"""What this process has counted since it started: plain numbers, added up where they arise."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

LAG_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the delivery lag's buckets, in seconds."""


class Counters:
    def __init__(self) -> None:
        self.published = 0
        self.deliveries = 0
        self.gaps = 0
        self.stalled = 0
        self.replays: Counter[str] = Counter()
        self.lag_buckets = [0] * (len(LAG_BOUNDS) + 1)
        self.lag_sum_seconds = 0.0

    def lag(self, seconds: float, deliveries: int) -> None:
        self.lag_buckets[bisect_left(LAG_BOUNDS, seconds)] += deliveries
        self.lag_sum_seconds += seconds * deliveries
