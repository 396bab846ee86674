"""`hubbub web`: gunicorn in this process.

Other words on the command line are gunicorn's own options (`hubbub web --bind fd://3`). They stay
in `sys.argv`, from which gunicorn reads them and starts itself again when it is told to (SIGUSR2).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module

from hub import logs
from hub.settings import Settings


def main(arguments: Sequence[str] = ()) -> int:
    """Serve until told to stop. `arguments` are those in `sys.argv`, where gunicorn reads them."""
    check()
    import_module("hubbub.gunicorn_program").run()
    return 0


def check() -> None:
    """End with one line and status 2 where a setting is wrong. To be called before gunicorn is
    imported: it reads `WEB_CONCURRENCY` then, and a word there would be a traceback."""
    with logs.wrong_setting_ends("hubbub"):
        Settings.from_environ(os.environ)
