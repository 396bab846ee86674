"""gunicorn in this process, with our settings and application (`web` has checked them)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from gunicorn.app.wsgiapp import WSGIApplication

APPLICATION = "hubbub.application:from_environment()"
_CONFIGURATION = "-c python:hubbub.gunicorn_conf"


class _Web(WSGIApplication):  # type: ignore[misc]
    def init(self, parser: Any, options: Any, arguments: Sequence[str]) -> Any:
        # The word `web` stands where gunicorn looks for an application.
        return super().init(parser, options, [APPLICATION])


def run() -> None:
    given = os.environ.get("GUNICORN_CMD_ARGS", "")
    os.environ["GUNICORN_CMD_ARGS"] = f"{_CONFIGURATION} {given}"
    _Web("%(prog)s web [OPTIONS]").run()
