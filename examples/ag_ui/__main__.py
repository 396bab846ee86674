"""Bundles `thread.js` and serves it.

    npm install --prefix examples/ag_ui
    .venv/bin/python -m examples.ag_ui

The page talks to the hub by itself.
"""

from pathlib import Path

from examples.bundle import serve

if __name__ == "__main__":
    serve(Path(__file__).with_name("thread.js"))
