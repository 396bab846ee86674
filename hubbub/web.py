"""`hubbub web`: gunicorn in this process, with this package's settings and application.

Other words on the command line are gunicorn's own options (`hubbub web --bind fd://3`). They stay
in `sys.argv`, from which gunicorn reads them and starts itself anew when it is told to (SIGUSR2).
"""

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


def main(arguments: Sequence[str] = ()) -> int:
    """Serve until told to stop. `arguments` are those in `sys.argv`, where gunicorn reads them."""
    given = os.environ.get("GUNICORN_CMD_ARGS", "")
    os.environ["GUNICORN_CMD_ARGS"] = f"{_CONFIGURATION} {given}"
    _Web("%(prog)s web [OPTIONS]").run()
    return 0
