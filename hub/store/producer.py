"""Producers: under which name an append is sent, so that a repetition of it stores nothing."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, NamedTuple

from hub.process import fresh_name


class Producer(NamedTuple):
    """One sequence of appends. `batch` grows by one with each; a batch is stored once, however
    often it is sent. `started` (seconds since the epoch) and `mark` must be the same at each
    sending.

    `mark` is drawn for each batch (`process.fresh_name`). It tells two copies of one producer
    apart, which send other things under the same number: the later one is `Refused`, and not
    answered with what the first one stored.
    """

    id: str
    batch: int
    started: float
    mark: str = ""


def is_of_a_copy(reply: list[Any]) -> bool:
    """Whether an append was refused because a copy of this memory has used its producer's name."""
    return reply[:2] == [b"refused", b"batch"]


class Producers:
    """The names under which one process appends. A few, used in turn: each costs a field in the
    hash of every channel that it has published to.

    One that is taken is not given back after an exception: a sending that is still under way may
    arrive later.
    """

    def __init__(self) -> None:
        self._free: deque[tuple[str, int]] = deque()

    def take(self) -> Producer:
        """A producer that no other append of this process uses at the moment."""
        try:
            name, batch = self._free.pop()
        except IndexError:
            name, batch = fresh_name(), 1
        return Producer(name, batch, time.time(), fresh_name())

    def give_back(self, producer: Producer) -> None:
        self._free.append((producer.id, producer.batch + 1))
