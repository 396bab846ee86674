"""An RQ job that tells every browser how far it is.

    REDIS_URL=redis://… .venv/bin/rq worker --url redis://…
    >>> Queue(connection=Redis.from_url(…)).enqueue("examples.rq_tasks.report", 7, 3)

RQ forks for each job. The hub is made at import: where that happened before the fork, the child
makes connections and a name of its own.
"""

import os

from hub import Hub

hub = Hub.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"))


def report(number: int, steps: int) -> None:
    """Work in steps; each is an event on the report's channel."""
    for step in range(1, steps + 1):
        hub.publish(f"report:{number}", {"step": step, "of": steps, "by": os.getpid()})
    hub.publish("reports", {"ready": number}, event="notice")
