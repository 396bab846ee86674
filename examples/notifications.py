"""Notifications: to one user or to everybody, also to whoever was away.

    REDIS_URL=… .venv/bin/python -m examples.notifications

Each user has a channel, and there is one for all. The page listens to both over one connection, and
keeps the id of the last event that it saw: so it gets what came while it was closed.
"""

import os

from flask import Flask, render_template, request

from hub import Hub

HUB_URL = os.environ.get("HUB_URL", "http://127.0.0.1:8000")
TOKEN = os.environ.get("HUB_TOKEN", "")
CHANNELS = {"you": "user:7", "everybody": "all"}

app = Flask(__name__)
hub = Hub.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"))


@app.get("/")
def page() -> str:
    channels = list(CHANNELS.values())
    return render_template("notifications.html", hub=HUB_URL, token=TOKEN, channels=channels)


@app.post("/notify")
def notify() -> tuple[dict[str, str], int]:
    """What a back end does when a report is ready, a job failed, somebody wrote."""
    to = request.form["to"]
    notice = {"to": to, "title": request.form["title"]}
    return {"id": hub.publish(CHANNELS[to], notice, event="notice")}, 201


if __name__ == "__main__":
    app.run(port=int(os.environ.get("EXAMPLE_PORT", "5050")))
