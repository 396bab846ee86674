"""Bundles `chat.jsx` and serves it.

    npm install --prefix examples/ai_sdk
    .venv/bin/python -m examples.ai_sdk

The page talks to the hub by itself. `NODE_PATH` may name another folder with the packages.
"""

import os
import subprocess
from pathlib import Path

from flask import Flask, Response, render_template

HERE = Path(__file__).parent
HUB_URL = os.environ.get("HUB_URL", "http://127.0.0.1:8000")
PACKAGES = Path(os.environ.get("NODE_PATH") or HERE / "node_modules")
ALIASES = os.environ.get("EXAMPLE_ALIASES", "").split()

app = Flask(__name__, template_folder="../templates", static_folder="../static")
script = subprocess.run(
    [
        PACKAGES / ".bin" / "esbuild",
        HERE / "chat.jsx",
        "--bundle",
        "--jsx=automatic",
        "--define:process.env.NODE_ENV='production'",
        *ALIASES,
    ],
    env={**os.environ, "NODE_PATH": str(PACKAGES)},
    stdout=subprocess.PIPE,
    check=True,
).stdout


@app.get("/")
def page() -> str:
    return render_template("ai_sdk.html", hub=HUB_URL)


@app.get("/chat.js")
def bundle() -> Response:
    return Response(script, mimetype="text/javascript")


if __name__ == "__main__":
    app.run(port=int(os.environ.get("EXAMPLE_PORT", "5050")))
