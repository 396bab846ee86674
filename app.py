"""The web application for gunicorn (`app:app`) and for tests. `python app.py` runs the whole stack.

A face: the application is composed in `hubbub/application.py`. Importing it needs no Redis.
"""

from __future__ import annotations

import sys

from hubbub import launcher
from hubbub.application import create_app, from_environment

__all__ = ["app", "create_app"]

if __name__ == "__main__":
    sys.exit(launcher.main(sys.argv[1:]))

app = from_environment()
