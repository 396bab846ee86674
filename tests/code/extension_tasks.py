"""Jobs of Celery's and RQ's that publish through an application's own Flask extension, as
`test_task_queues` starts them. The extension has published before the pool is forked."""

from __future__ import annotations

import os

from celery import Celery
from flask import Flask

from hub import Hubbub

REDIS_URL = os.environ["REDIS_URL"]

flask = Flask(__name__)
flask.config["HUBBUB_REDIS_URL"] = REDIS_URL
hubbub = Hubbub(flask)
app = Celery("tests", broker=REDIS_URL)

with flask.app_context():
    hubbub.publish("warm", "its connection is the parent's")


def report(number: int, steps: int) -> None:
    """Half of the steps one by one, the rest at once."""
    channel = f"report:{number}"
    told = [{"step": step, "of": steps, "by": os.getpid()} for step in range(1, steps + 1)]
    with flask.app_context():
        for step in told[: steps // 2]:
            hubbub.publish(channel, step)
        hubbub.publish_many([(channel, step, None) for step in told[steps // 2 :]])
        hubbub.publish("reports", {"ready": number}, event="notice")


app.task(report, name="tests.code.extension_tasks.report")
