"""Thousands of listeners that come in the same moment, in one thread."""

from __future__ import annotations

import selectors
import socket
import time
from contextlib import ExitStack
from types import TracebackType
from typing import cast
from urllib.parse import urlsplit

from tests.support import keys
from tests.support.deadline import deadline
from tests.support.stack import Web


class Crowd:
    """As a context, everybody is there within. `first_events` are the names of the first event of
    each stream, or all that came where it ended without one, in the order in which they came."""

    def __init__(self, web: Web, paths: list[str], *, within_seconds: float) -> None:
        self.first_events: list[bytes] = []
        self._opened = ExitStack()
        self._place = urlsplit(web.url)
        self._paths = paths
        self._within_seconds = within_seconds

    def __enter__(self) -> Crowd:
        with selectors.DefaultSelector() as selector:
            for path in self._paths:
                self._ask(path, selector)
                self._turns(selector, 0)
            give_up = deadline(self._within_seconds)
            while len(self.first_events) < len(self._paths):
                answered = f"{len(self.first_events)} of {len(self._paths)} were answered"
                assert time.monotonic() < give_up, answered
                self._turns(selector, 1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._opened.close()

    def _ask(self, path: str, selector: selectors.BaseSelector) -> None:
        shown = "".join(f"{name}: {value}\r\n" for name, value in keys.headers(None).items())
        request = f"GET {path} HTTP/1.1\r\nHost: {self._place.netloc}\r\n{shown}\r\n"
        sock = self._opened.enter_context(socket.socket())
        sock.setblocking(False)
        sock.connect_ex((self._place.hostname, self._place.port))
        selector.register(sock, selectors.EVENT_WRITE, request.encode())

    def _turns(self, selector: selectors.BaseSelector, seconds: float) -> None:
        for key, ready in selector.select(seconds):
            self._turn(selector, key, ready)

    def _turn(
        self, selector: selectors.BaseSelector, key: selectors.SelectorKey, ready: int
    ) -> None:
        sock = cast(socket.socket, key.fileobj)
        if ready & selectors.EVENT_WRITE:
            sock.send(key.data)
            selector.modify(sock, selectors.EVENT_READ, b"")
            return
        received = sock.recv(65536)
        answer = key.data + received
        selector.modify(sock, selectors.EVENT_READ, answer)
        if not received or b"\n\n" in answer:
            selector.unregister(sock)
            name = answer.partition(b"event: ")[2].partition(b"\n")[0]
            self.first_events.append(name or answer)
