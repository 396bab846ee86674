"""A page that asks with `fetch` and reads OpenAI's chunks until `[DONE]`.

    .venv/bin/python -m examples.chat

The page talks to the hub by itself: this program only serves it.
"""

import os

from flask import Flask, render_template

HUB_URL = os.environ.get("HUB_URL", "http://127.0.0.1:8000")
TOKEN = os.environ.get("HUB_TOKEN", "")

app = Flask(__name__)


@app.get("/")
def page() -> str:
    return render_template("chat.html", hub=HUB_URL, token=TOKEN)


if __name__ == "__main__":
    app.run(port=int(os.environ.get("EXAMPLE_PORT", "5050")))
