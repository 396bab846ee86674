"""Bundles the script of an example in a folder of its own with esbuild, and serves its page.

The packages are those of the folder's `package.json`; `NODE_PATH` may name another place with them.
"""

import os
import subprocess
from pathlib import Path

from flask import Flask, Response, render_template

HUB_URL = os.environ.get("HUB_URL", "http://127.0.0.1:8000")
TOKEN = os.environ.get("HUB_TOKEN", "")
ALIASES = os.environ.get("EXAMPLE_ALIASES", "").split()


def page_with(script: Path) -> Flask:
    """An application with the page `templates/FOLDER.html`, whose `/bundle.js` is `script`."""
    packages = Path(os.environ.get("NODE_PATH") or script.parent / "node_modules")
    bundled = subprocess.run(
        [
            packages / ".bin" / "esbuild",
            script,
            "--bundle",
            "--format=esm",
            "--jsx=automatic",
            "--define:process.env.NODE_ENV='production'",
            *ALIASES,
        ],
        env={**os.environ, "NODE_PATH": str(packages)},
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    app = Flask(__name__)

    @app.get("/")
    def page() -> str:
        return render_template(f"{script.parent.name}.html", hub=HUB_URL, token=TOKEN)

    @app.get("/bundle.js")
    def bundle() -> Response:
        return Response(bundled, mimetype="text/javascript")

    return app


def serve(script: Path) -> None:
    page_with(script).run(port=int(os.environ.get("EXAMPLE_PORT", "5050")))
