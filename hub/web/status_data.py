"""`/status/data` and `/status/events`: how the hub is, as JSON and live, for the page `/status` and
for programs that look on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, request

from hub.errors import HubError
from hub.fanout.delivery import Delivery
from hub.identity import Action
from hub.metrics import LAG_BOUNDS, lag_counts, replay_counts
from hub.timestamp import rfc3339
from hub.web.caller import caller_of
from hub.web.json_response import json_answer
from hub.web.status_stream import StatusStream
from hub.web.stream_response import subscribe

FIGURES = (
    "listeners", "behind", "published", "deliveries", "gaps", "stalled", "repairs",
    "redis_reconnects", "memory_bytes",
)  # fmt: skip
REDIS_FIGURES = {
    "redis_version": "version",
    "used_memory": "memory_bytes",
    "maxmemory": "memory_limit_bytes",
    "connected_clients": "clients",
    "instantaneous_ops_per_sec": "operations_per_second",
    "role": "role",
}


def status_data_blueprint(
    delivery: Delivery, more: Callable[[], Mapping[str, Any]] = dict
) -> Blueprint:
    """`more()` is what a program built on the hub adds; it may raise `HubError`."""
    blueprint = Blueprint("status_data", __name__)

    def told() -> dict[str, Any]:
        figures = delivery.total_figures()
        now = {
            "time": rfc3339(time.time()),
            "figures": _shown(figures),
            "replays": replay_counts(figures),
            "lag": [
                {"seconds": bound, "count": count}
                for bound, count in zip([*LAG_BOUNDS, None], lag_counts(figures), strict=True)
            ],
            "processes": [
                {"pid": pid, **_shown(one)}
                for pid, one in sorted(delivery.figures_by_process().items())
            ],
            "sample": next((asdict(one) for one in reversed(delivery.past.samples)), None),
        }
        try:
            return {**now, "redis": _redis(delivery), **more()}
        except HubError as error:  # what is known here is told all the same
            return {**now, "redis": {"problem": error.detail}}

    stream = StatusStream(delivery, told)

    @blueprint.get("/status/data")
    def data() -> Response:
        caller_of(request.environ).require(Action.OPERATE)
        answer = json_answer({**told(), "past": [asdict(one) for one in delivery.past.samples]})
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @blueprint.get("/status/events")
    def events() -> Response:
        caller_of(request.environ).require(Action.OPERATE)
        return subscribe(delivery, [stream.watched()], allowed=True)

    return blueprint


def _shown(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: figures.get(name, 0) for name in FIGURES}


def _redis(delivery: Delivery) -> dict[str, Any]:
    began = time.perf_counter()
    delivery.history.link.call(lambda client: client.ping(), try_seconds=1.0)
    milliseconds = round((time.perf_counter() - began) * 1000, 2)
    told = delivery.history.link.call(lambda client: client.info(), try_seconds=1.0)
    return {
        "milliseconds": milliseconds,
        **{shown: told[name] for name, shown in REDIS_FIGURES.items() if name in told},
    }
