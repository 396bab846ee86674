"""A generation's events and the keyboard, heard by one loop.

A thread reads the stream and another the terminal; both put what they find into one queue, so that
Ctrl-D is heard while the stream is silent. Ctrl-C is Python's own `KeyboardInterrupt`, which
interrupts the waiting for that queue.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from queue import Empty, SimpleQueue

from hub.client.remote import Remote, generation_path
from hub.event import OWN_TYPES
from hub.sse import Parsed

PATIENCE_SECONDS = 3.0
_BEFORE_THE_ANSWER = OWN_TYPES | {"started"}


class Left(Exception):
    """Ctrl-D: the person has seen enough. The generation goes on."""


_Found = Parsed | Exception | None


def follow(remote: Remote, generation_id: str, start: str) -> Iterator[Parsed | None]:
    """Every event of a generation, over all breaks of the connection, until the hub ends it; None,
    once, where the answer has not begun after `PATIENCE_SECONDS`.
    Raises what reading raised (`RemoteError`), and `Left` at Ctrl-D where somebody types."""
    found: SimpleQueue[_Found] = SimpleQueue()
    path = f"{generation_path(generation_id)}/events"
    threading.Thread(target=_hear, args=(remote, path, start, found), daemon=True).start()
    # Behind a pipe stands a pager, perhaps, and the keys are its own.
    if sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty():
        # In the background a terminal is not ours to read: then reading fails, and stops nothing.
        signal.signal(signal.SIGTTIN, signal.SIG_IGN)
        threading.Thread(target=_watch_keys, args=(found,), daemon=True).start()
    patience: float | None = PATIENCE_SECONDS
    while True:
        try:
            one = found.get(timeout=patience)
        except Empty:
            patience = None
            yield None
            continue
        if one is None:
            return
        if isinstance(one, Exception):
            raise one
        if one.event not in _BEFORE_THE_ANSWER:
            patience = None
        yield one


def _hear(remote: Remote, path: str, start: str, found: SimpleQueue[_Found]) -> None:
    try:
        for event in remote.events(path, {"from": start}, lasting=True):
            found.put(event)
    except Exception as error:  # whatever it was: a thread that only died would be waited for
        found.put(error)
    found.put(None)


def _watch_keys(found: SimpleQueue[_Found]) -> None:
    try:
        while os.read(sys.stdin.fileno(), 1024):
            pass  # nothing else means anything here
    except OSError:
        return
    found.put(Left())
