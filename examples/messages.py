"""`new EventSource('/stream')`, with JSON messages.

    REDIS_URL=… .venv/bin/python -m examples.messages

The stream is a route of this program: its page needs no other origin. For more than a few listeners
serve it with gunicorn and gevent (`examples.messages:app`): then all share one Redis connection.
"""

import os
from datetime import UTC, datetime

from flask import Flask, render_template, request

from hub.flask_sse import sse

app = Flask(__name__)
app.config["REDIS_URL"] = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")
app.register_blueprint(sse, url_prefix="/stream")


@app.get("/")
def page() -> str:
    return render_template("messages.html")


@app.post("/messages")
def post() -> tuple[dict[str, str], int]:
    """A message from anywhere: the page's form, a cron job, `curl -d name=… -d text=…`."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    message = {"name": request.form["name"], "text": request.form["text"], "time": now}
    return {"id": sse.publish(message)}, 201


if __name__ == "__main__":
    app.run(port=int(os.environ.get("EXAMPLE_PORT", "5050")))
