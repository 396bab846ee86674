"""Log lines on standard error, as text or as JSON (`HUB_LOG_FORMAT`).

Tokens, prompts and texts never come here: a line names ids, counts and reasons only. A line
that is written for a request, or for a generation that was asked for by one, names it (`trace`).
"""

from __future__ import annotations

import atexit
import io
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TextIO

from hub.settings import SettingError
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
    """For a program that is ours alone: what other libraries log, what Python warns of, what nobody
    catches and, in JSON, what is printed, has the form of all other lines."""
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(formatter(log_format))
        root.addHandler(handler)
    # Of headers that it cannot read, it shows what was sent, with a traceback.
    logging.getLogger("urllib3.connection").setLevel(logging.ERROR)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    threading.excepthook = _uncaught_in_thread
    if log_format == "json":
        sys.stdout = _Printed(sys.stdout, "stdout")
        sys.stderr = _Printed(sys.stderr, "stderr")


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        logging.getLogger().warning("interrupted")
    else:
        logging.getLogger().critical("not caught: %s", kind.__name__, exc_info=error)


def _uncaught_in_thread(ended: threading.ExceptHookArgs) -> None:
    what = (ended.exc_type, ended.exc_value or ended.exc_type(), ended.exc_traceback)
    logging.getLogger().error("a thread ended by %s", ended.exc_type.__name__, exc_info=what)


def _unraisable(ignored: sys.UnraisableHookArgs) -> None:
    """What `__del__` raises, or a callback of the interpreter's own."""
    said = ignored.err_msg or "Exception ignored in"
    kind = ignored.exc_type
    what = (kind, ignored.exc_value or kind(), ignored.exc_traceback)
    logging.getLogger().error("%s: %r", said, ignored.object, exc_info=what)


class _Printed(io.TextIOBase):
    """Standard output or error in JSON: each line that somebody prints becomes one, unless it is a
    JSON object already."""

    LONGEST = 65_536

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self._name, self._rest = stream, name, ""
        atexit.register(self._say, "\n")

    def write(self, text: str) -> int:
        self._say(text)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def buffer(self) -> Any:
        return self._stream.buffer

    def _say(self, text: str) -> None:
        *lines, self._rest = (self._rest + text).split("\n")
        if len(self._rest) > self.LONGEST:
            lines, self._rest = [*lines, self._rest], ""
        for line in lines:
            if line.strip():
                said = line if _is_object(line) else json_line("INFO", self._name, line)
                self._stream.write(said + "\n")
        if lines:
            self._stream.flush()


def _is_object(line: str) -> bool:
    try:
        return line.startswith("{") and isinstance(json.loads(line), dict)
    except ValueError:
        return False


def formatter(log_format: str) -> logging.Formatter:
    """What `configure` uses, and gunicorn's own lines with it."""
    return _Json() if log_format == "json" else _Text()


def json_line(level: str, name: str, message: str) -> str:
    """A line of a program that has no loggers, such as the launcher."""
    return _json(time.time(), level, name, message)


def complain(program: str, message: str) -> None:
    """Say what is wrong before there are loggers, in a line. The settings may be what is wrong, so
    its form is read from the environment."""
    as_json = os.environ.get("HUB_LOG_FORMAT", "").strip() == "json"
    line = json_line("ERROR", program, message) if as_json else f"{program}: {message}"
    print(line, file=sys.stderr, flush=True)


@contextmanager
def wrong_setting_ends(program: str, *, status: int = 2) -> Iterator[None]:
    """A `SettingError` ends the process, with its line and `status`."""
    try:
        yield
    except SettingError as error:
        complain(program, str(error))
        raise SystemExit(status) from None


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
    """The trace that the line names, or of the request in which it is written."""
    named: Trace | None = getattr(record, "trace", None)
    return named or current.get()


def _json(seconds: float, level: str, name: str, message: str, **more: str) -> str:
    entry = {"time": rfc3339(seconds), "level": level, "logger": name, "message": message, **more}
    return json.dumps(entry, ensure_ascii=False)
