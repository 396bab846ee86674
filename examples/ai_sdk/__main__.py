"""Bundles `chat.jsx` and serves it.

    npm install --prefix examples/ai_sdk
    .venv/bin/python -m examples.ai_sdk

The page talks to the hub by itself.
"""

from pathlib import Path

from examples.bundle import serve

if __name__ == "__main__":
    serve(Path(__file__).with_name("chat.jsx"))
