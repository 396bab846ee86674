"""A live dashboard: numbers pushed every second, a heartbeat every five.

    REDIS_URL=… .venv/bin/python -m examples.dashboard

What pushes needs Redis alone; what shows them listens to the hub. Neither knows the other.
"""

import os
import threading
import time

from flask import Flask, render_template

from hub import Hub
from hub.errors import RedisUnavailable

HUB_URL = os.environ.get("HUB_URL", "http://127.0.0.1:8000")
TOKEN = os.environ.get("HUB_TOKEN", "")
REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")

app = Flask(__name__)


@app.get("/")
def page() -> str:
    return render_template("dashboard.html", hub=HUB_URL, token=TOKEN)


def push() -> None:
    hub = Hub.from_url(REDIS_URL)
    published, took_ms = 0, 0.0
    while True:
        numbers = {"load": os.getloadavg()[0], "published": published, "publish_ms": took_ms}
        began = time.perf_counter()
        try:
            hub.publish("dashboard", numbers, event="numbers")
            published += 1
        except RedisUnavailable:
            pass  # the next ones will do
        took_ms = round((time.perf_counter() - began) * 1000, 2)
        time.sleep(1)


if __name__ == "__main__":
    threading.Thread(target=push, daemon=True).start()
    app.run(port=int(os.environ.get("EXAMPLE_PORT", "5050")))
