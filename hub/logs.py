"""Log lines on standard error, as text or as JSON (`HUB_LOG_FORMAT`).

Tokens, prompts and texts never come here: whoever logs names ids, counts and reasons only.
"""

from __future__ import annotations

import json
import logging
import sys

from hub.showing import without_passwords
from hub.timestamp import rfc3339


def configure(log_format: str) -> None:
    """Send the loggers of hub and workers to standard error; calling it again changes nothing."""
    # What no line of ours shows need not be found out for each (logging HOWTO, "Optimization").
    logging._srcfile = None
    # The process is not among it: gunicorn's own lines show it, and fail without.
    logging.logThreads = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if log_format == "json" else _Text())
    for name in ("hub", "workers"):
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
            logger.propagate = False


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        said = without_passwords(record.getMessage())
        line = f"{rfc3339(record.created)} {record.levelname} {record.name} {said}"
        return (
            line if record.exc_info is None else f"{line}\n{self.formatException(record.exc_info)}"
        )


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": rfc3339(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": without_passwords(record.getMessage()),
        }
        if record.exc_info is not None:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)
