"""What the workers that live say of themselves: which models they can ask, what hinders them.

Web processes have no key of a provider's, and need none: only workers call models. So a worker says
every third of a lease what its providers offer, and a web process answers from that.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

from hub.errors import RedisFailure
from hub.fanout.longest_step import LongestStep
from hub.fanout.loops import Loop
from hub.settings import Settings
from hub.store.redis_link import RedisLink
from hub.store.script import Script
from workers.provider import ProviderFailure, Providers, asks_local_model

log = logging.getLogger(__name__)

_REPORT = Script.load("workers", "report")
_ROSTER = Script.load("workers", "roster")


@dataclass(frozen=True, slots=True)
class Report:
    """One worker's. `problem`: why it cannot answer just now, '' where nothing hinders it.
    `longest_step_seconds`: the longest that one step held its loop of late, in the processor's
    time. `version`: of what it runs."""

    models: tuple[str, ...]
    problem: str = ""
    longest_step_seconds: float = 0.0
    version: str = ""


class Roster:
    def __init__(self, link: RedisLink, lease_seconds: float) -> None:
        self._link = link
        self._key = link.keys.key("jobs", "roster")
        self._counts_ms = int(lease_seconds * 1000)
        self.report_seconds = lease_seconds / 3

    def report(self, consumer: str, report: Report) -> None:
        """Say it; it counts for a lease. Raises `RedisUnavailable`."""
        said = json.dumps(
            {
                "models": report.models,
                "problem": report.problem,
                "longest_step": report.longest_step_seconds,
                "version": report.version,
            }
        )
        self._link.run(_REPORT, [self._key], [consumer, self._counts_ms, said])

    def forget(self, consumer: str) -> None:
        self._link.run(_REPORT, [self._key], [consumer, self._counts_ms, ""], try_seconds=1)

    def reports(self) -> list[Report]:
        """Those of the workers that live. Raises `RedisUnavailable`."""
        found = [json.loads(said) for said in self._link.run(_ROSTER, [self._key], [])]
        return [
            # A worker of an older version says nothing of its steps, or of its version.
            Report(
                tuple(said["models"]),
                said["problem"],
                said.get("longest_step", 0.0),
                said.get("version", ""),
            )
            for said in found
        ]

    def longest_step_seconds(self) -> float:
        """The longest of all workers' that live. Raises `RedisUnavailable`."""
        return max((report.longest_step_seconds for report in self.reports()), default=0.0)

    def other_versions(self, ours: str) -> str:
        """What is to be told of workers that run another version; '' where none does. Raises
        `RedisUnavailable`."""
        others = {report.version for report in self.reports()} - {ours}
        named = ", ".join(sorted(version or "an older one" for version in others))
        return f"this process has version {ours}, and workers have {named}" if others else ""

    def models(self) -> tuple[str, ...]:
        """What any of them can ask, each once, in the order in which they say it."""
        return tuple(dict.fromkeys(name for report in self.reports() for name in report.models))

    def problem(self) -> str:
        """Why none of them can answer; '' where one can, or none is there to say."""
        problems = [report.problem for report in self.reports()]
        return problems[0] if problems and all(problems) else ""


def report_for_ever(
    roster: Roster,
    consumer: str,
    providers: Providers,
    settings: Settings,
    longest_step: LongestStep,
    version: str,
    loop: Loop,
) -> None:
    """A loop of a worker: ask its providers what they have, and say it, and how long the worker's
    greenlets were held."""
    # Many providers list no models and answer all the same; of ours it is known that it does.
    minds = asks_local_model(settings)
    while True:
        try:
            with loop.idle():  # a provider may take its time
                models, problem = _found(providers)
            own = tuple(settings.generators)
            seconds = longest_step.figures()["longest_step_cpu"]
            said = Report(own + models, problem if minds else "", seconds, version)
            roster.report(consumer, said)
        except RedisFailure:
            pass  # the worker's own loops say that
        except Exception:
            log.exception("the models could not be told, and are tried again")
        loop.sleep(roster.report_seconds)


def _found(providers: Providers) -> tuple[tuple[str, ...], str]:
    try:
        return providers.models(), ""
    except ProviderFailure as failure:
        return (), failure.message
