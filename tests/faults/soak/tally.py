"""What came of it: sums over all worlds of a soak, and the judgement."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.faults.audience import Listener
from tests.faults.publisher import Publisher
from tests.faults.tab import Tab
from tests.support.provider import text_for
from tests.support.stack import Web, descendants

MIB = 2**20
_FLAT = 1.05
_FLAT_BYTES = 3 * MIB


def leaks(samples: Sequence[int]) -> bool:
    """Whether memory goes on growing: the last quarter is more than `_FLAT` and `_FLAT_BYTES` above
    the second, and a good part of it came in the third and another in the last. One step is none:
    the largest answer so far leaves what the allocator keeps (7 MiB in a worker, which gives it
    back or not by where a live block stands: nothing of it is garbage)."""
    quarter = len(samples) // 4
    second, third, last = (
        sorted(samples[at : at + quarter])[quarter // 2]
        for at in (quarter, 2 * quarter, len(samples) - quarter)
    )
    grown = last - second
    return (
        grown > second * (_FLAT - 1) + _FLAT_BYTES and min(last - third, third - second) > grown / 4
    )


class Memory:
    """What processes hold in RAM of their own, over time."""

    def __init__(self, watched: Mapping[str, Callable[[], list[int]]]) -> None:
        self._watched = watched
        self.samples: dict[str, list[int]] = {name: [] for name in watched}
        self.at: list[float] = []

    def take(self) -> None:
        self.at.append(time.monotonic())
        for name, parents in self._watched.items():
            pids = [pid for parent in parents() for pid in (parent, *descendants(parent))]
            self.samples[name].append(sum(_own_bytes(pid) for pid in pids))


def _own_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm") as file:
            _, resident, shared, *_ = file.read().split()
    except OSError:
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


class Tally:
    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()
        self.published = self.delivered = self.returns = 0
        self.lost = self.doubled = self.damaged = self.hanging = 0
        self.told: Counter[str] = Counter()
        self.answers: Counter[int] = Counter()
        self.generations: Counter[str] = Counter()
        self.odd_endings: Counter[str] = Counter()
        self.restarts = self.told_again = 0
        self.closings: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.curves: list[str] = []
        self.repairs = self.reconnects = 0
        self.slowest_answer_seconds = 0.0

    def publisher(self, publisher: Publisher) -> None:
        self.published += publisher.acknowledged
        self.answers += publisher.answers
        self.slowest_answer_seconds = max(self.slowest_answer_seconds, publisher.slowest_seconds)

    def listener(self, listener: Listener, allowed: Mapping[str, int]) -> None:
        """`allowed`: how often a loss may have been told, and why."""
        for judge in listener.judges.values():
            for reason, times in Counter(judge.losses).items():
                if times > allowed.get(reason, 0):
                    self.wrong.append(f"{judge.channel}: {reason} told {times} times: {judge.told}")
            self.delivered += judge.delivered
            self.lost += judge.lost
            self.doubled += judge.doubled
            self.damaged += judge.damaged
            self.told.update(judge.losses)
            self.told_again += judge.again
            self.wrong += judge.faults
        self.hanging += listener.hanging
        self.returns += max(0, listener.streams - 1)
        self.closings += listener.closings
        self.wrong += listener.wrong

    def tab(self, tab: Tab, *, emptied: bool) -> None:
        """`emptied`: Redis has lost everything meanwhile, and the generation may be gone."""
        self.wrong += tab.wrong
        self.restarts += len(tab.restarts)
        ending = tab.terminal
        if ending == "failed":
            ending = f"failed: {tab.ending['code']}"
            if tab.ending["code"] not in ("worker-lost", "redis-unavailable"):
                self.wrong.append(f"generation {tab.generation_id}: {tab.ending}")
        elif ending == "completed" and tab.text != text_for(tab.prompt):
            self.damaged += 1
            self.wrong.append(f"generation {tab.generation_id} shows {tab.text!r}")
        elif ending == "gone" and not emptied:
            self.wrong.append(f"generation {tab.generation_id} is gone: {tab.ending}")
        self.generations[ending or "wrong"] += 1

    def odd(self, record: Mapping[str, Any], codes: frozenset[str]) -> None:
        """A generation whose answer was trouble. It may be whole, or its worker lost meanwhile."""
        code = (record["error"] or {}).get("code")
        self.odd_endings[code or record["status"]] += 1
        if code is not None and code not in codes | {"worker-lost", "redis-unavailable"}:
            self.wrong.append(f"an odd answer ended in {record['error']}")

    def steady(self, web: Web) -> None:
        for family in text_string_to_metric_families(web.get("/metrics").text):
            if family.name == "hubbub_repairs":
                self.repairs += int(family.samples[0].value)
            elif family.name == "hubbub_redis_reconnects":
                self.reconnects += int(family.samples[0].value)

    def memory(self, kind: str, memory: Memory) -> None:
        for name, samples in memory.samples.items():
            if len(samples) < 8:
                continue
            eight = [samples[len(samples) * i // 8] for i in range(8)] + [samples[-1]]
            curve = " ".join(f"{value / MIB:.0f}" for value in eight)
            self.curves.append(f"{kind} {name}: {curve} MiB")
            if leaks(samples):
                self.wrong.append(f"memory of {name} grows: {curve} MiB")

    @property
    def sound(self) -> bool:
        return not (self.lost or self.doubled or self.damaged or self.hanging or self.wrong)

    def report(self) -> str:
        lines = [
            "did:          " + _counted(self.faults),
            f"published:    {self.published} events acknowledged; answers {_counted(self.answers)}"
            f" (0: none came); the slowest took {self.slowest_answer_seconds:.1f} s",
            f"delivered:    {self.delivered} events to listeners, who returned {self.returns} times"
            f"; closings {_counted(self.closings)}",
            f"repaired:     {self.repairs} holes, {self.reconnects} subscriptions made again"
            " (in the steady web process)",
            f"losses told:  {sum(self.told.values())} {_counted(self.told)}"
            f"; {self.told_again} again, to who had left before the event behind it",
            f"generations:  {_counted(self.generations)} as tabs saw them"
            f"; {self.restarts} restarts",
            f"odd answers:  {_counted(self.odd_endings)}",
            *(f"memory:       {curve}" for curve in self.curves),
            f"lost:         {self.lost}",
            f"doubled:      {self.doubled} (or out of order)",
            f"damaged:      {self.damaged}",
            f"hanging:      {self.hanging}",
            f"otherwise wrong: {len(self.wrong)}",
            *(f"  {each}" for each in self.wrong[:40]),
        ]
        return "\n".join(lines)


def _counted(counter: Mapping[Any, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(counter.items(), key=str)) or "-"
