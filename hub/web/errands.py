"""Greenlets for what must wait, used again.

To make a greenlet, run it and let it go takes 19 µs of processor: Python maps a stack for it, the
kernel fills its pages and takes them back. One that is there already takes 2. An arrival needs one
while it waits for Redis, and a crowd arrives a handful at a time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import Context
from typing import Any

import gevent

MOST_IDLE = 32
"""Each takes 9 KiB."""


class Errands:
    """Runs what it is given, each in a greenlet of its own for as long as it takes."""

    def __init__(self) -> None:
        self._idle: list[Any] = []

    def run(self, errand: Callable[..., None], *args: Any) -> None:
        """Call `errand(*args)`, in the next turn of the loop."""
        gevent.get_hub().loop.run_callback(self._begin, errand, args)

    def _begin(self, errand: Callable[..., None], args: tuple[Any, ...]) -> None:
        # Not before: those ahead of it that need not wait are over by now, and their greenlet free.
        while self._idle:
            greenlet = self._idle.pop()
            if not greenlet.dead:
                greenlet.switch(errand, args)
                return
        gevent.spawn(self._work, [(errand, args)])

    def _work(self, first: list[tuple[Callable[..., None], tuple[Any, ...]]]) -> None:
        errand, args = first.pop()  # or the greenlet would keep them as its own arguments
        hub, here = gevent.get_hub(), gevent.getcurrent()
        while True:
            try:
                Context().run(errand, *args)  # or it would find the trace of the one before it
            except Exception:
                hub.handle_error(here, *sys.exc_info())
            del errand, args  # they may hold a listener
            if len(self._idle) >= MOST_IDLE:
                return
            self._idle.append(here)
            errand, args = hub.switch()
