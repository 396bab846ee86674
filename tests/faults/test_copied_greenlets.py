"""gevent copies the greenlets of a process that forks: those of the hub's callers go on in the
child, each in the middle of what it was doing."""

from __future__ import annotations

import subprocess
import sys

from hub import Hub
from hub.channel import BEFORE_FIRST
from hub.settings import Settings
from hub.store.frame import StoredEvent
from tests.support.deadline import patience
from tests.support.real import ROOT
from tests.support.stack import clean_environ
from tests.support.valkey import Valkey

PUBLISHING = """
from gevent import monkey; monkey.patch_all()
import os, sys, gevent
from hub import Hub

hub = Hub.from_url(sys.argv[1])
over = False

def publish(text):
    event_id = hub.publish("news", text)
    os.write(1, f"{event_id} {text}\\n".encode())

def publish_on_and_on(name):
    number = 0
    while not over:
        publish(f"{os.getpid()}-{name}-{number}")
        number += 1

publishing = [gevent.spawn(publish_on_and_on, name) for name in range(12)]
for _ in range(8):
    gevent.sleep(0.05)
    child = os.fork()
    if child == 0:
        for number in range(20):
            publish(f"{os.getpid()}-{number}")
        os._exit(0)
    os.waitpid(child, 0)
over = True
gevent.joinall(publishing, raise_error=True)
"""


def test_a_fork_in_the_middle_of_other_greenlets_calls_gives_nobody_another_s_answer(
    valkey: Valkey,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PUBLISHING, valkey.url],
        cwd=ROOT,
        env={**clean_environ(), "HUB_HISTORY_EVENTS": "1000000"},
        capture_output=True,
        text=True,
        timeout=60 * patience(),
        check=True,
    )

    assert done.stderr == ""
    # A call that was under way at the fork returns in both: with one id, or each with its own.
    acknowledged = {(event_id, text) for event_id, text in map(str.split, done.stdout.splitlines())}
    stored = all_events(valkey.url)
    assert acknowledged <= set(stored.items())
    assert len(acknowledged) == len(dict(acknowledged)) > 8 * 20


def all_events(url: str) -> dict[str, str]:
    found: dict[str, str] = {}
    with Hub.from_url(url, Settings()) as hub:
        position = BEFORE_FIRST
        while frames := hub.history.read("news", position).frames:
            found |= {frame.id: StoredEvent.of(frame).data for frame in frames}
            position = frames[-1].id
    return found
