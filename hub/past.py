"""The last quarter of an hour in figures, for the plots of `/status`.

Every process keeps the sums of its whole gunicorn, so it does not matter which one is asked.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate

from hub.metrics import LAG_BOUNDS, lag_counts

PERIOD_SECONDS = 5.0
KEPT = 180


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment. The rates and the lag are of the period before it; `lag_seconds` is the bound
    below which 99 of 100 deliveries lay, None where there were none."""

    time_ms: int
    listeners: int
    behind: int
    published_per_second: float
    deliveries_per_second: float
    lag_seconds: float | None


class Past:
    """`clock` measures the periods, `now` tells when they were: that one may be put back."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.samples: deque[Sample] = deque(maxlen=KEPT)
        self._clock = clock
        self._now = now
        self._before: tuple[float, Mapping[str, float]] | None = None

    def due(self) -> bool:
        return self._before is None or self._clock() - self._before[0] >= PERIOD_SECONDS

    def add(self, figures: Mapping[str, float]) -> None:
        """The first one only begins the first period."""
        before, self._before = self._before, (self._clock(), figures)
        if before is None:
            return
        seconds = max(self._before[0] - before[0], 0.001)

        def grown(name: str) -> float:
            return max(0.0, figures.get(name, 0) - before[1].get(name, 0))

        self.samples.append(
            Sample(
                time_ms=int(self._now() * 1000),
                listeners=int(figures.get("listeners", 0)),
                behind=int(figures.get("behind", 0)),
                published_per_second=round(grown("published") / seconds, 2),
                deliveries_per_second=round(grown("deliveries") / seconds, 2),
                lag_seconds=_bound(lag_counts(figures), lag_counts(before[1]), 0.99),
            )
        )


def _bound(now: list[float], before: list[float], share: float) -> float | None:
    counts = list(accumulate(max(0.0, a - b) for a, b in zip(now, before, strict=True)))
    if not counts[-1]:
        return None
    at = next(i for i, count in enumerate(counts) if count >= counts[-1] * share)
    return LAG_BOUNDS[min(at, len(LAG_BOUNDS) - 1)]
