"""`python -m tests.faults.attack SECONDS [--seed N]`: random tokens, names, hosts and origins at
every route of a hub with keys that listens on all addresses.

It ends with 0 only where nobody read or changed what its owner keeps (`treasure`), nobody without a
token that counts was let in, no answer was a 5xx, none hung, and no traceback was logged.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random

import requests

from tests.access.signing import RSA, SECRET, pem
from tests.faults.attack.requests import Attacks
from tests.faults.attack.tokens import REVOKED, owners
from tests.faults.attack.treasure import MARK, Treasure
from tests.faults.fuzz.requests import routes
from tests.faults.fuzz.wire import send
from tests.support.provider import ScriptedProvider
from tests.support.stack import Stack
from tests.support.valkey import Valkey

DRIVERS = 4
LISTENED_SECONDS = 0.05
_LOOKS_SECONDS = 1.0
SETTINGS = {
    "HOST": "0.0.0.0",
    "HUB_JWT_SECRET": SECRET,
    "HUB_JWT_PUBLIC_KEY": f"public={pem(RSA)}",
    "HUB_BODY_SECONDS": "2",
    "HUB_GENERATIONS_PER_MINUTE": "0",
    "HUB_RUNNING_GENERATIONS": "0",
    "HUB_STALL_TIMEOUT_SECONDS": "3600",
}
"""The stall's: the owner's generation waits in mid-answer for as long as it is attacked."""

_OPEN = re.compile(
    r"/*(|healthz|readyz|openapi\.json|notifications|session|static/.*|events|channels/.*|g/.*)/*"
)
"""Where nobody in particular gets a 2xx: probes, pages that ask for a token, and streams, which are
answered `closing` where a hub is full. What they say is judged by the mark."""


class Attack:
    """Figures of one run; what is wrong is in `wrong`, with the request that did it."""

    def __init__(self, url: str, treasure: Treasure, seed: int) -> None:
        self.answers: Counter[int] = Counter()
        self.wrong: list[str] = []
        self._url = url
        self._treasure = treasure
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
        while any(driver.is_alive() for driver in drivers):
            drivers[0].join(_LOOKS_SECONDS)
            if time.monotonic() > give_up + 60:
                self.wrong.append("a driver hangs")
                break
            if changed := self._treasure.changed():
                self.wrong.append(f"somebody changed what is another's: {changed}")
                break

    def _drive(self, number: int, give_up: float) -> None:
        source = Attacks(Random(f"{self._seed}-{number}"), self._routes, self._treasure.names)
        while time.monotonic() < give_up and len(self.wrong) < 20:
            sent = source.next()
            answer = send(self._url, sent, LISTENED_SECONDS)
            self.answers[answer.status] += 1
            wrong = answer.wrong or self._let_out(answer.status, answer.head, answer.body)
            if not wrong and not source.let_in and _is_let_in(sent.line, answer.status):
                wrong = f"{answer.status} without a token that counts"
            if wrong:
                self.wrong.append(f"{sent.line!r}: {wrong}\n    {sent.head + sent.body[:500]!r}")

    def _let_out(self, status: int, head: str, body: bytes) -> str:
        if MARK.encode() in body or MARK in head:
            return f"{status}: somebody read what is another's: {body[:300]!r}"
        return ""

    def report(self) -> str:
        statuses = ", ".join(f"{status}: {n}" for status, n in sorted(self.answers.items()))
        return f"requests       {self.answers.total()}\nanswers        {statuses}"


def _is_let_in(line: str, status: int) -> bool:
    method, _, target = line.partition(" ")
    path = target.partition(" ")[0].partition("?")[0]
    return 200 <= status < 300 and method != "OPTIONS" and _OPEN.fullmatch(path) is None


def attack(hub: Stack, provider: ScriptedProvider, seconds: float, seed: int) -> Attack:
    """Attack `hub`, whose settings are `SETTINGS`, for so long."""
    owner = owners()
    revoked = requests.delete(
        f"{hub.url}/tokens/revoked", headers={"Authorization": f"Bearer {owner}"}, timeout=20
    )
    assert revoked.status_code == 204, revoked.text
    treasure = Treasure(hub.url, owner, provider)
    run = Attack(hub.url, treasure, seed)
    try:
        run.drive(seconds)
        if changed := treasure.changed():
            run.wrong.append(f"somebody changed what is another's: {changed}")
    finally:
        treasure.close()
    logs = hub.logs()
    if "Traceback" in logs:
        run.wrong.append("there is a traceback in the logs")
    if MARK in logs or owner in logs or REVOKED in logs:
        run.wrong.append("the logs hold what is secret")
    return run


def main() -> int:
    words = argparse.ArgumentParser(prog="python -m tests.faults.attack")
    words.add_argument("seconds", type=float, nargs="?", default=60)
    words.add_argument("--seed", type=int, default=int(time.time()))
    given = words.parse_args()
    print(f"attack of {given.seconds:.0f} s, seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="hub-attack-") as directory:
        provider = ScriptedProvider()
        valkey = Valkey(Path(directory) / "valkey").start()
        env = {"REDIS_URL": valkey.url, "OPENAI_BASE_URL": provider.base_url, **SETTINGS}
        hub = Stack(Path(directory), {**env, "OPENAI_API_KEY": "a-key"}).start()
        try:
            run = attack(hub, provider, given.seconds, given.seed)
            print(run.report())
            for wrong in run.wrong:
                print(f"WRONG {wrong}")
        finally:
            hub.end()
            valkey.end()
            provider.close()
    print("nothing found" if not run.wrong else "FOUND SOMETHING")
    return 1 if run.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
