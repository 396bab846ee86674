"""Which process this is, and what belongs to it alone.

A program may be copied while it runs: a fork after import (Celery, RQ, multiprocessing, gunicorn's
`--preload`), a restored snapshot of a whole machine. A copy has the same names, counters, seeds,
locks and sockets, and whatever tells one process from another by them is wrong from then on. Three
rules keep that away, and everything in `hub` follows them:

* What belongs to one process is held in a `PerProcess` and made at its first use there. In a child
  it is made again; the parent's is dropped without being closed, for it is the parent's.
* Greenlets of the parent would go on in a child, on the parent's sockets: the hub's own end there
  (`end_in_children`), and those of the program find the sockets closed (`cut_off_in_children`).
* What must never be the same twice, even where the same memory runs twice and no process began, is
  drawn from the kernel at each use (`fresh_name`), and the script that stores it compares.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary, WeakSet

T = TypeVar("T")

_COLLECT_SECONDS = 60.0
_FEW_BLOCKS = 300_000
"""What of them the collector knows is looked at in 0.02 s."""
_blocks_at_start = 0


class Process:
    """One process, by identity: a child has another object, whatever its number."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        # Of the process and not of the value: a copied lock may be held for ever by a thread that
        # the child does not have. One for each value: making one may wait for a thread that needs
        # another.
        self._locks: WeakKeyDictionary[object, threading.RLock] = WeakKeyDictionary()

    def lock(self, value: object) -> threading.RLock:
        return self._locks.setdefault(value, threading.RLock())


_process = Process()


def current() -> Process:
    """This process. The number is asked, too: a fork made from C tells Python nothing."""
    if _process.pid != os.getpid():
        _begin()
    return _process


class Owner(Protocol):
    """Something with greenlets. gevent copies them into a child, where they would read the parent's
    connections and take from it what they read."""

    def abandon(self) -> None:
        """End them without waiting, and without a word on any connection."""
        ...


_owners: WeakSet[Owner] = WeakSet()


def end_in_children(owner: Owner) -> None:
    """Have `owner` abandoned at once in every child that is forked from now on."""
    _owners.add(owner)


_sockets: WeakSet[socket.socket] = WeakSet()


def cut_off_in_children(sock: socket.socket) -> None:
    """Have a child that is forked from now on find `sock` closed by the other side. Under gevent
    the greenlet that uses it goes on there, too: it would send on the parent's connection, and take
    the parent's answer for its own."""
    _sockets.add(sock)


def _cut_off() -> None:
    """The number of the descriptor stays taken: a greenlet may hold it."""
    open_ones = [sock for sock in list(_sockets) if sock.fileno() >= 0]
    _sockets.clear()
    if open_ones:
        with _closed_by_the_other_side() as closed:
            for sock in open_ones:
                os.dup2(closed.fileno(), sock.fileno(), inheritable=False)


def _closed_by_the_other_side() -> socket.socket:
    here, there = socket.socketpair()
    there.close()
    return here


def spare_the_collector() -> None:
    """Once all is loaded, in a process that serves: Python's collector of cycles need not look at
    what was loaded, nor every 700 objects at the new ones. A crowd that returns makes hundreds of
    thousands that stay, and it went through all there is again and again for a fifth of the
    processor, to find nothing: what comes and goes here is freed without it. Of an answer of a
    million small values that was read it made steps of 0.4 s. Now it looks at what is young, and
    `collect_for_ever` at the rest."""
    global _blocks_at_start
    gc.collect()
    gc.freeze()
    _blocks_at_start = sys.getallocatedblocks()
    gc.set_threshold(10_000, 10, 1_000_000_000)


class Sleeper(Protocol):
    """A loop (`fanout.loops`), as far as it is needed here."""

    def sleep(self, seconds: float) -> None: ...


def collect_for_ever(loop: Sleeper) -> None:
    """A loop: free cycles that have become old, as redis-py's pools of lost nodes do.

    It looks where all of it is a short step, or where there is twice as much as the last look left:
    cycles may be what has grown, and would otherwise never be freed.
    """
    left = sys.maxsize
    while True:
        loop.sleep(_COLLECT_SECONDS)
        blocks = _blocks()
        if blocks < _FEW_BLOCKS or blocks > 2 * left:
            gc.collect()
            left = _blocks()
        else:
            left = min(left, blocks)


def _blocks() -> int:
    """Of memory, more than at the start."""
    return sys.getallocatedblocks() - _blocks_at_start


def fresh_name() -> str:
    """64 random bits that no copy of this memory has: the kernel's, which it mixes again when a
    machine is restored. Never kept for a later use."""
    return os.urandom(8).hex()


class PerProcess(Generic[T]):
    """One value for each process, made by `make` at its first use there. What is pickled, to go to
    another process, is only how it is made."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._held: tuple[Process, T] | None = None

    def get(self) -> T:
        here = current()
        held = self._held
        if held is None or held[0] is not here:
            with here.lock(self):
                held = self._held
                if held is None or held[0] is not here:
                    held = self._held = (here, self._make())
        return held[1]

    def forget(self) -> T | None:
        """Let go of this process's value, which is returned if it was made; the next use makes
        another."""
        held, self._held = self.here(), None
        return held

    def __reduce__(self) -> tuple[Any, ...]:
        return PerProcess, (self._make,)

    def here(self) -> T | None:
        """The value of this process if it has been made."""
        held = self._held
        return held[1] if held is not None and held[0] is current() else None


def _begin() -> None:
    global _process
    _process = Process()
    for owner in list(_owners):
        owner.abandon()
    _cut_off()


os.register_at_fork(after_in_child=_begin)
