"""Several blocking iterators read as one, with a limit on the wait.

A `messages()` of the application's own blocks for as long as it likes, and heartbeats have to go
out meanwhile. Each iterator runs in a thread (under gevent: a greenlet) in the request's context.
One item is held for each; nothing is read ahead of a listener that is slow.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import Empty, Queue
from typing import Any

from flask import copy_current_request_context, has_request_context

_OVER = object()


class Pump:
    def __init__(self, *sources: Iterator[Any]) -> None:
        self._items: Queue[Any] = Queue(maxsize=1)
        self._closed = False
        self._running = len(sources)
        for source in sources:
            run: Callable[[Iterator[Any]], None] = self._run
            if has_request_context():
                run = copy_current_request_context(run)
            threading.Thread(target=run, args=(source,), daemon=True).start()

    @property
    def over(self) -> bool:
        """Whether every source has ended, and all that they gave was taken."""
        return not self._running

    def next(self, timeout_seconds: float | None = None) -> Any:
        """The next item; None when there was none in time, or when it is `over`. An exception of a
        source's is raised here."""
        while self._running:
            try:
                item = self._items.get(timeout=timeout_seconds)
            except Empty:
                return None
            if item is _OVER:
                self._running -= 1
            elif isinstance(item, _Failed):
                raise item.error
            else:
                return item
        return None

    def close(self) -> None:
        """Take nothing more. Ending the sources is for those who made them."""
        self._closed = True
        while self._running:  # a source that waits to hand something over comes to its end
            try:
                self._running -= self._items.get_nowait() is _OVER
            except Empty:
                return

    def _run(self, source: Iterator[Any]) -> None:
        try:
            for item in source:
                self._items.put(item)
                if self._closed:
                    return
        except Exception as error:
            self._items.put(_Failed(error))
        finally:
            if not self._closed:
                self._items.put(_OVER)


class _Failed:
    def __init__(self, error: Exception) -> None:
        self.error = error
