"""A Celery task that tells every browser how far it is.

    REDIS_URL=redis://… .venv/bin/celery -A examples.celery_tasks worker

The hub is made at import, once, before Celery forks its pool. Each child of the pool publishes by
itself: it has its own connections and its own name, and what it was acknowledged is stored.
"""

import os

from celery import Celery

from hub import Hub

REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")

app = Celery("examples", broker=REDIS_URL)
hub = Hub.from_url(REDIS_URL)


@app.task
def report(number: int, steps: int) -> None:
    """Work in steps; each is an event on the report's channel."""
    for step in range(1, steps + 1):
        hub.publish(f"report:{number}", {"step": step, "of": steps, "by": os.getpid()})
    hub.publish("reports", {"ready": number}, event="notice")
