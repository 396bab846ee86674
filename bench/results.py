"""Results: samples of every round, gathered to median, minimum and maximum."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.plan import GOALS, Goal

US = "hub"


@dataclass(frozen=True)
class Spread:
    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


@dataclass
class Results:
    """`samples`: one for each round, scenario and peer, with its figures or why it failed."""

    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    titles: dict[str, dict[str, str]] = field(default_factory=dict)
    samples: list[dict[str, Any]] = field(default_factory=list)

    def add(self, round_: int, scenario: str, peer: str, figures: dict[str, Any]) -> None:
        self.samples.append(
            {"round": round_, "scenario": scenario, "peer": peer, "figures": figures}
        )

    def keep(self, earlier: Results) -> None:
        """Take over what is not measured anew: a scenario is always of one run."""
        measured = self.titles["scenarios"]
        self.samples = [s for s in earlier.samples if s["scenario"] not in measured]
        for kind, titles in earlier.titles.items():
            self.titles[kind] = {**titles, **self.titles[kind]}

    def scenarios(self) -> list[str]:
        """In the order of the plan, which the titles have."""
        found = {sample["scenario"] for sample in self.samples}
        return [name for name in self.titles["scenarios"] if name in found]

    def peers(self, scenario: str) -> list[str]:
        return list(dict.fromkeys(s["peer"] for s in self.samples if s["scenario"] == scenario))

    def by_round(self, scenario: str, peer: str, measure: str) -> dict[int, float]:
        return {
            s["round"]: s["figures"][measure]
            for s in self.samples
            if s["scenario"] == scenario and s["peer"] == peer and measure in s["figures"]
        }

    def spread(self, scenario: str, peer: str, measure: str) -> Spread | None:
        values = list(self.by_round(scenario, peer, measure).values())
        return Spread.of(values) if values else None

    def goal(self, goal: Goal) -> Spread | None:
        """What the goal is about, as it was found."""
        if goal.peer is None:
            return self.spread(goal.scenario, US, goal.measure)
        return self.ratio(goal.scenario, US, goal.peer, goal.measure, goal.beside)

    def ratio(
        self, scenario: str, one: str, other: str, measure: str, beside: str = ""
    ) -> Spread | None:
        """The ratios of single rounds, so that what disturbed a round disturbs both sides; `beside`
        is the other side's scenario, where it is another one."""
        above = self.by_round(scenario, one, measure)
        below = self.by_round(beside or scenario, other, measure)
        ratios = [above[n] / below[n] for n in above if below.get(n)]
        return Spread.of(ratios) if ratios else None

    def goals(self) -> list[tuple[Goal, Spread | None]]:
        return [(goal, self.goal(goal)) for goal in GOALS]

    def broken(self) -> dict[tuple[str, str], dict[str, int]]:
        """Where events were missing, doubled, late or in excess: (scenario, peer) → counts."""
        found: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for sample in self.samples:
            for name, count in sample["figures"].get("integrity", {}).items():
                if isinstance(count, int) and count:
                    found[sample["scenario"], sample["peer"]][name] += count
        return found

    def failures(self) -> list[tuple[str, str, str]]:
        return [
            (s["scenario"], s["peer"], s["figures"]["failed"])
            for s in self.samples
            if "failed" in s["figures"]
        ]

    def write(self, path: Path) -> None:
        summary = {
            scenario: {
                peer: {
                    measure: vars(spread)
                    for measure in self._measures(scenario, peer)
                    if (spread := self.spread(scenario, peer, measure))
                }
                for peer in self.peers(scenario)
            }
            for scenario in self.scenarios()
        }
        goals = [
            {**vars(goal), "found": vars(found) if found else None,
             "holds": found and goal.holds(found.median)}
            for goal, found in self.goals()
        ]  # fmt: skip
        path.write_text(
            json.dumps({**vars(self), "summary": summary, "goals": goals}, indent=1) + "\n"
        )

    @classmethod
    def load(cls, path: Path) -> Results:
        found = json.loads(path.read_text())
        return cls(found["machine"], found["versions"], found["titles"], found["samples"])

    def _measures(self, scenario: str, peer: str) -> list[str]:
        names: dict[str, None] = {}
        for sample in self.samples:
            if sample["scenario"] == scenario and sample["peer"] == peer:
                names.update(
                    dict.fromkeys(
                        name for name, value in sample["figures"].items()
                        if isinstance(value, int | float)
                    )
                )  # fmt: skip
        return list(names)


def machine() -> dict[str, Any]:
    """The machine, without what would name it."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "cpu": model,
        "cores": len([n for n in Path("/sys/devices/system/cpu").iterdir()
                      if n.name.startswith("cpu") and n.name[3:].isdigit()]),
        "kernel": platform.release().partition("-")[0],
        "when": time.strftime("%Y-%m-%d"),
    }  # fmt: skip
