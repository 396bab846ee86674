"""`python -m tests.faults.fuzz SECONDS [--seed N]`: random requests at every route for that long.

Beside them a publisher publishes and listeners must hear everything, once and in order. It ends
with 0 only where no answer was a 5xx, none hung, every error had its shape, no traceback was
logged, everything that was made can still be read, and the listeners lacked nothing.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

import requests

from tests.faults.audience import Audience, Listener
from tests.faults.fuzz.requests import Requests, routes
from tests.faults.fuzz.wire import send
from tests.faults.publisher import Publisher
from tests.support.provider import ScriptedProvider
from tests.support.stack import Stack
from tests.support.valkey import Valkey

DRIVERS = 4
LISTENERS = 3
_IDS = re.compile(rb'"id":"(?:resp_|chatcmpl-)?([A-Za-z0-9_-]{20})"')
_MOST_IDS = 200


class Fuzz:
    """Figures of one run; what is wrong is in `wrong`, with the request that did it."""

    def __init__(self, url: str, seed: int) -> None:
        self.url = url
        self.answers: Counter[int] = Counter()
        self.routes: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.made: set[str] = set()
        self._seed = seed
        self._routes = routes()

    def drive(self, seconds: float) -> None:
        give_up = time.monotonic() + seconds
        drivers = [
            threading.Thread(target=self._drive, args=(number, give_up), daemon=True)
            for number in range(DRIVERS)
        ]
        for driver in drivers:
            driver.start()
        for driver in drivers:
            driver.join(seconds + 60)
            if driver.is_alive():
                self.wrong.append("a driver hangs")

    def _drive(self, number: int, give_up: float) -> None:
        source = Requests(Random(f"{self._seed}-{number}"), self._routes)
        while time.monotonic() < give_up and len(self.wrong) < 20:
            sent = source.next()
            answer = send(self.url, sent)
            self.answers[answer.status] += 1
            self.routes[sent.line.partition("?")[0].partition(" HTTP/")[0][:60]] += 1
            if answer.wrong:
                self.wrong.append(
                    f"{sent.line!r}: {answer.wrong}\n    {sent.head + sent.body[:500]!r}"
                )
            found = [match.decode() for match in _IDS.findall(answer.body)]
            self.made.update(found)
            source.ids = [*source.ids, *found][-_MOST_IDS:]

    def read_all_again(self) -> None:
        """Nothing that was stored may be unreadable afterwards."""
        paths = ["/generations?limit=100", "/threads", "/v1/models", "/metrics", "/status"]
        for made in sorted(self.made)[:_MOST_IDS]:
            paths += [f"/generations/{made}", f"/g/{made}", f"/v1/responses/resp_{made}"]
        for path in paths:
            answer = requests.get(self.url + path, timeout=20)
            if answer.status_code >= 500:
                self.wrong.append(f"afterwards {path}: {answer.status_code} {answer.text[:300]}")

    def report(self) -> str:
        statuses = ", ".join(f"{status}: {n}" for status, n in sorted(self.answers.items()))
        return (
            f"requests       {self.answers.total()}, at {len(self.routes)} methods and paths\n"
            f"answers        {statuses} (0: closed without one)\n"
            f"generations    {len(self.made)} made"
        )


def fuzz(hub: Stack, seconds: float, seed: int) -> Fuzz:
    """Drive `hub` for so long."""
    run = Fuzz(hub.url, seed)
    publisher = Publisher([hub.url], "canary", pause_seconds=0.02)
    audience = Audience()
    for number in range(LISTENERS):
        audience.add(Listener([hub.url], "canary", seed=number))
    try:
        audience.connected()
        publisher.start()
        run.drive(seconds)
        audience.has_all(publisher.finish())
        audience.sound()
        run.read_all_again()
    except AssertionError as error:
        run.wrong.append(f"the canary: {error}")
    finally:
        audience.stop()
        with suppress(AssertionError):
            publisher.finish(1)
    if "Traceback" in hub.logs():
        run.wrong.append("there is a traceback in the logs")
    return run


def longest_step(url: str) -> str:
    found = re.findall(
        r"^(hubbub_longest_step\w*) (\S+)", requests.get(f"{url}/metrics", timeout=20).text, re.M
    )
    return ", ".join(f"{name} {float(value):.3f}" for name, value in found)


def main() -> int:
    words = argparse.ArgumentParser(prog="python -m tests.faults.fuzz")
    words.add_argument("seconds", type=float, nargs="?", default=60)
    words.add_argument("--seed", type=int, default=int(time.time()))
    given = words.parse_args()
    print(f"fuzz of {given.seconds:.0f} s, seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="hub-fuzz-") as directory:
        provider = ScriptedProvider()
        valkey = Valkey(Path(directory) / "valkey").start()
        env = {
            "REDIS_URL": valkey.url,
            "OPENAI_BASE_URL": provider.base_url,
            "OPENAI_API_KEY": "a-key",
            "HUB_BODY_SECONDS": "2",
            "HUB_RUNNING_GENERATIONS": "0",
        }
        hub = Stack(Path(directory), env).start()
        try:
            run = fuzz(hub, given.seconds, given.seed)
            print(run.report())
            print(f"longest step   {longest_step(hub.url)}")
            for wrong in run.wrong:
                print(f"WRONG {wrong}")
            if run.wrong:
                Path("fuzz.log").write_text(hub.logs())
                print("logs in fuzz.log")
        finally:
            hub.end()
            valkey.end()
            provider.close()
    print("sound" if not run.wrong else "NOT SOUND")
    return 1 if run.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
