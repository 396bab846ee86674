"""Log lines on standard error, as text or as JSON (`HUB_LOG_FORMAT`).

Tokens, prompts and texts never come here: whoever logs names ids, counts and reasons only. A line
that is written for a request, or for a generation that was asked for by one, names it (`trace`).
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from types import TracebackType

from hub.showing import without_passwords
from hub.timestamp import rfc3339
from hub.trace import Trace, current


def configure(log_format: str) -> None:
    """Send the loggers of hub and workers to standard error; calling it again changes nothing."""
    # What no line of ours shows need not be found out for each (logging HOWTO, "Optimization").
    logging._srcfile = None
    # The process is not among it: gunicorn's own lines show it, and fail without.
    logging.logThreads = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(log_format))
    for name in ("hub", "workers"):
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
            logger.propagate = False


def take_everything(log_format: str) -> None:
    """For a program that is ours alone: what other libraries log, what Python warns of and what
    nobody catches has the form of all other lines."""
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(formatter(log_format))
        root.addHandler(handler)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logging.getLogger().critical("not caught: %s", kind.__name__, exc_info=error)


def formatter(log_format: str) -> logging.Formatter:
    """What `configure` uses, and gunicorn's own lines with it."""
    return _Json() if log_format == "json" else _Text()


def json_line(level: str, name: str, message: str) -> str:
    """A line of a program that has no loggers, such as the launcher."""
    return _json(time.time(), level, name, message)


def complaint(program: str, message: str, environ: Mapping[str, str]) -> str:
    """The line with which a program says what is wrong before it has loggers. The settings may be
    what is wrong, so its form is read from the environment."""
    if environ.get("HUB_LOG_FORMAT", "").strip() == "json":
        return json_line("ERROR", program, message)
    return f"{program}: {message}"


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        said = without_passwords(record.getMessage())
        line = f"{rfc3339(record.created)} {record.levelname} {record.name} {said}"
        if (trace := _trace(record)) is not None:
            line += f" request={trace.request_id}"
        return (
            line if record.exc_info is None else f"{line}\n{self.formatException(record.exc_info)}"
        )


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        more = {}
        if (trace := _trace(record)) is not None:
            more["request"] = trace.request_id
            if trace.traceparent:
                more["trace_id"] = trace.traceparent.split("-")[1]
        if record.exc_info is not None:
            more["traceback"] = self.formatException(record.exc_info)
        said = without_passwords(record.getMessage())
        return _json(record.created, record.levelname, record.name, said, **more)


def _trace(record: logging.LogRecord) -> Trace | None:
    """The trace that the line names, or that whoever writes it is busy with."""
    named: Trace | None = getattr(record, "trace", None)
    return named or current.get()


def _json(seconds: float, level: str, name: str, message: str, **more: str) -> str:
    entry = {"time": rfc3339(seconds), "level": level, "logger": name, "message": message, **more}
    return json.dumps(entry, ensure_ascii=False)
