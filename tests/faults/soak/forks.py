"""A program that makes its `Hub` when it is imported and publishes from forks of itself.

    python -m tests.faults.soak.forks URL CHANNEL

Each child publishes a few events and prints their ids as JSON; where Redis does not answer it goes
on trying. No two of them may ever be told the same id.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from hub import Hub
from hub.errors import HubError
from tests.support.real import ROOT

CHILDREN, EVENTS = 3, 5
_PATIENCE_SECONDS = 60.0


class Forks:
    """The program, started; `judged` waits for its end."""

    def __init__(self, url: str, channel: str) -> None:
        self._channel = channel
        command = [sys.executable, "-m", "tests.faults.soak.forks", url, channel]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    def judged(self) -> list[str]:
        """What was wrong."""
        try:
            said, _ = self._process.communicate(timeout=2 * _PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return [f"publishers of {self._channel} hang"]
        ids = [event_id for line in said.splitlines() for event_id in json.loads(line)]
        if len(ids) != CHILDREN * EVENTS:
            return [f"of {self._channel} {len(ids)} events are acknowledged"]
        if len(set(ids)) != len(ids):
            return [f"two forks on {self._channel} were told one id: {ids}"]
        return []


def main(url: str, channel: str) -> None:
    hub = Hub.from_url(url)
    _published(hub, channel, "the parent's own")
    children = []
    for _ in range(CHILDREN):
        pid = os.fork()
        if not pid:
            ids = [_published(hub, channel, f"{os.getpid()} {n}") for n in range(EVENTS)]
            # One write: the lines of the children do not mix.
            os.write(1, (json.dumps(ids) + "\n").encode())
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)


def _published(hub: Hub, channel: str, data: str) -> str:
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return hub.publish(channel, data)
        except HubError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.2)


if __name__ == "__main__":
    main(*sys.argv[1:])
