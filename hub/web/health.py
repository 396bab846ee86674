"""Is this process alive, can it work, and what has it done? (contract §8)"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from hub.errors import RedisFailure, RedisUnfit
from hub.fanout.delivery import Delivery
from hub.identity import Action
from hub.metrics import families
from hub.store.server_check import ServerCheck
from hub.web.caller import caller_of
from hub.web.json_response import json_answer

READY_SECONDS = 1.0
"""How long `/readyz` waits for Redis."""


@dataclass(frozen=True, slots=True)
class WorkersSeen:
    """How many workers live and are well, and what ails the others."""

    well: int
    unwell: Sequence[str]


def health_blueprint(
    delivery: Delivery,
    check_server: Callable[[float], ServerCheck],
    workers: Callable[[], WorkersSeen],
    hindrance: Callable[[], str],
    beside: Callable[[], Sequence[str]],
    more_metrics: Callable[[], Iterable[Metric]],
    *,
    version: str,
    hint: str = "",
) -> Blueprint:
    """`check_server(try_seconds)` asks Redis what it may do for this process. `hindrance` says why
    the workers cannot work just now, '' where they can. `beside` says what else is tolerated and
    should not be. `more_metrics` are those of what builds on the hub. Each may raise
    `RedisFailure`. `hint` is what a hub that is ready says all the same, such as why there is no
    model."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz")
    def healthz() -> Response:
        """This process answers. Never asks Redis: a restart would not mend Redis."""
        return _answer(200, {"status": "ok"})

    @blueprint.get("/readyz")
    def readyz() -> Response:
        """Redis answers and may do what is needed, this process's loops run, a worker that is well
        was seen, and nothing hinders it. The first of these that is not so is named; beside workers
        that are well, `unwell` names the rest."""
        try:
            found = check_server(READY_SECONDS)
            if found.missing:
                return _answer(503, {"status": RedisUnfit.code, "detail": found.missing[0]})
            seen, hindered = workers(), hindrance()
            warnings = (*found.warnings, *beside())
        except RedisFailure as error:
            return _answer(503, {"status": error.code, "detail": error.detail})
        troubles = delivery.loops.troubles()
        if troubles:
            return _answer(503, {"status": "loop-trouble", "detail": "; ".join(troubles)})
        if not seen.well and seen.unwell:
            return _answer(503, {"status": "worker-unwell", "detail": "; ".join(seen.unwell)})
        if not seen.well:
            return _answer(503, {"status": "no-worker", "detail": "no worker has been seen"})
        if hindered:
            return _answer(503, {"status": "model-unavailable", "detail": hindered})
        # What is tolerated, and should not be: an operator reads it by `hubbub doctor`. A worker
        # that cannot send, beside others that can, is no reason to take this process out.
        told = {"warnings": warnings, "unwell": seen.unwell, "hint": hint}
        ready = {"status": "ready", "version": version}
        return _answer(200, ready | {name: each for name, each in told.items() if each})

    @blueprint.get("/metrics")
    def metrics() -> Response:
        """Prometheus' text, summed over the processes of this gunicorn."""
        caller_of(request.environ).require(Action.OPERATE)
        found = list(families(delivery.total_figures()))
        try:
            found += more_metrics()
        except RedisFailure:
            pass  # what is known here is told all the same
        registry = CollectorRegistry()
        registry.register(_Found(found))
        answer = Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    return blueprint


class _Found(Collector):
    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        return self._found


def _answer(status: int, body: object) -> Response:
    answer = json_answer(body, status)
    answer.headers["Cache-Control"] = "no-store"
    return answer
