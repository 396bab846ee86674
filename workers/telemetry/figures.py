"""Sending what `/metrics` tells: its shape, and the loop of a web process that does it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from prometheus_client.core import Metric

from hub.errors import RedisFailure
from hub.fanout.loops import Loop

log = logging.getLogger("hub.telemetry")

Families = Callable[[], Iterable[Metric]]


class FigureSender(Protocol):
    """Where figures go to."""

    @property
    def interval_seconds(self) -> float: ...

    def send(self, own: Iterable[Metric], shared: Iterable[Metric]) -> bool:
        """Send what this process has counted, and what all processes of the hub count together in
        Redis. Whether it arrived. May wait for the network."""
        ...

    def send_at_exit(self, own: Families) -> None:
        """Once more when this process ends."""
        ...


def send_for_ever(sender: FigureSender, own: Families, shared: Families, loop: Loop) -> None:
    """A loop of a web process under gevent, where waiting for the network holds nobody up."""
    sender.send_at_exit(own)
    arrived = True
    while True:
        loop.sleep(sender.interval_seconds)
        with loop.idle():
            sent = sender.send(own(), _known(shared))
        if arrived and not sent:
            log.warning("metrics do not reach OpenTelemetry's collector, and are tried again")
        arrived = sent


def _known(shared: Families) -> list[Metric]:
    try:
        return list(shared())
    except RedisFailure:
        return []
