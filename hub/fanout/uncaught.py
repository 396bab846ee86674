"""What a greenlet raises and nobody catches is a line of the log."""

from __future__ import annotations

import logging
from types import TracebackType

import gevent
from gevent.hub import Hub

log = logging.getLogger("hub.greenlet")


def log_uncaught() -> None:
    """From now on, in every thread; gevent itself writes a traceback to standard error."""
    Hub.print_exception = _log


def _log(
    hub: Hub,
    context: object,
    kind: type[BaseException],
    error: BaseException | None,
    trace: TracebackType | None,
) -> None:
    if error is not None and not issubclass(kind, gevent.GreenletExit):
        log.error("a greenlet ended by %s", kind.__name__, exc_info=(kind, error, trace))
