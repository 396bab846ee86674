"""Waiting, and what ends the wait: a signal, also the one that a child has ended, or the parent's
end. The launcher has one thread, and this is where it rests."""

from __future__ import annotations

import os
import selectors
import signal
import socket
from types import FrameType

from hubbub.parts.errors import Stopped


class Wakeups:
    """`impatient`: Ctrl-C was pressed again. With `follow_parent` the parent's end is a stop."""

    def __init__(self, *, follow_parent: bool) -> None:
        self.impatient = False
        self._stop = ""
        self._parent = os.getppid() if follow_parent else None
        self._wake, self._waker = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake, selectors.EVENT_READ)
        for end in (self._wake, self._waker):
            end.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup means what it says
            signal.signal(signal.SIGHUP, self._on_signal)

    def wait(self, seconds: float) -> None:
        """So long, or until a signal came."""
        if self._selector.select(seconds):
            self._wake.recv(4096)

    def check(self) -> None:
        """Raises `Stopped` where somebody has asked for the end."""
        if self._parent is not None and os.getppid() != self._parent:
            self._stop = self._stop or "the process that started it has ended"
        if self._stop:
            raise Stopped(self._stop)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.impatient = bool(self._stop) and number == signal.SIGINT
        self._stop = self._stop or signal.Signals(number).name
