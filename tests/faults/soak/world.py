"""A whole stack under load, on one kind of Redis, and everybody who uses it."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

import requests

from tests.faults.audience import Audience, Listener
from tests.faults.proxy import Proxy
from tests.faults.publisher import Publisher
from tests.faults.soak.forks import Forks
from tests.faults.soak.tally import Memory, Tally
from tests.faults.tab import Tab
from tests.faults.topology import Cluster, Sentinels, changes_of_place
from tests.support.deadline import eventually
from tests.support.process import Process
from tests.support.provider import Script, ScriptedProvider, text_for
from tests.support.stack import Stack, Web, Worker
from tests.support.valkey import Valkey

CHANNELS = ("news", "sport", "scrap")
"""`scrap` is deleted now and then."""

_ENV = {
    "HUB_HEARTBEAT_SECONDS": "2",
    "HUB_GRACE_SECONDS": "2",
    "HUB_LEASE_SECONDS": "2",
    "HUB_RECENT_BYTES": "200000",  # full within seconds: what grows after that is a leak
    "OPENAI_API_KEY": "a-key-of-the-soak",
    "HUB_MAX_ANSWER_BYTES": str(3 * 2**20),
}
_DURABLE = ("--appendonly", "yes", "--appendfsync", "everysec")
_HEAL_SECONDS = 90.0


class World:
    """`kind` is single, sentinel or cluster. Two web servers (of two processes and of one) and two
    workers are there to be broken; `steady_web` and `steady_worker` never are, and see everything
    that Redis does. Where Redis is a single server, one web server reaches it through a proxy."""

    def __init__(self, kind: str, random: Random, tally: Tally) -> None:
        self.kind = kind
        self.random = random
        self.tally = tally
        self.directory = Path(tempfile.mkdtemp(prefix="hub-"))
        self.provider = ScriptedProvider()
        self.emptied = 0
        self.allowed: Counter[str] = Counter()
        """Why a loss may be told by now, and how often that was done to it."""
        self.audience = Audience()
        self.publishers: list[Publisher] = []
        self.tabs: list[Tab] = []
        self.late: list[Listener] = []
        self.odd: dict[str, tuple[int, frozenset[str]]] = {}
        """Generations that may fail, with what codes; and how often Redis had been emptied."""
        self.forks: list[Forks] = []
        self._odd_asked = 0
        self._halt = threading.Event()
        self._started: list[Process] = []
        self._asking = threading.Thread(target=self._ask_models, daemon=True)
        self._start_redis()
        self._start_stack()
        self.memory = Memory(self._watched())

    # ── the parts ────────────────────────────────────────────────────────────────────────────

    def _start_redis(self) -> None:
        self.single: Valkey | None = None
        self.sentinels: Sentinels | None = None
        self.cluster: Cluster | None = None
        self.proxy: Proxy | None = None
        if self.kind == "single":
            self.single = Valkey(self.directory / "redis", tcp=True, options=_DURABLE)
            self._started.append(self.single)
            self.single.start()
            self.proxy = Proxy(self.single.port)
            self.url = self.single.url
        elif self.kind == "sentinel":
            self.sentinels = Sentinels(self.directory)
            self._started += self.sentinels.processes
            self.url = self.sentinels.start().url
        else:
            self.cluster = Cluster(self.directory)
            self._started += self.cluster.processes
            self.url = self.cluster.start().url

    def _start_stack(self) -> None:
        replicas = "0" if self.single else "1"
        env = {
            **_ENV,
            "REDIS_URL": self.url,
            "OPENAI_BASE_URL": self.provider.base_url,
            "HUB_WAIT_REPLICAS": replicas,
        }
        self.hub = Stack(self.directory, env)
        through = {"REDIS_URL": self.proxy.url} if self.proxy else {}
        self.steady_worker = self.hub.add_worker()
        self.workers: list[Worker] = [self.hub.add_worker(**through), self.hub.add_worker()]
        self.steady_web = self.hub.add_web()
        self.webs: list[Web] = [
            self.hub.add_web(WEB_CONCURRENCY="2"),
            self.hub.add_web(**through),
        ]
        self._started += [*self.hub.workers, *self.hub.webs]
        self.hub.until_ready(90)

    def _watched(self) -> dict[str, Callable[[], list[int]]]:
        return {
            "web": lambda: [self.steady_web.pid],
            "worker": lambda: [self.steady_worker.pid],
        }

    @property
    def urls(self) -> list[str]:
        return [web.url for web in (self.steady_web, *self.webs)]

    # ── everybody who uses it ────────────────────────────────────────────────────────────────

    def begin(self) -> None:
        self.provider.default = None
        for channel, batch, pause in (("news", 1, 0.02), ("sport", 5, 0.1), ("scrap", 1, 0.05)):
            self.publishers.append(
                Publisher(
                    self._turned(), channel, batch=batch, pause_seconds=pause, patience_seconds=45
                )
            )
        for channel in CHANNELS:
            for number in range(6):
                self.listen(channel, slow=number == 5, wanders=number > 2)
        for _ in range(3):
            self.listen(*CHANNELS)
        # Who has a position is told when what lies behind it goes; who has none is not.
        self.audience.connected(30)
        for publisher in self.publishers:
            publisher.start()
        self._asking.start()

    def listen(
        self, *channels: str, slow: bool = False, late: bool = False, wanders: bool = False
    ) -> Listener:
        how = {"read_bytes": 1500, "pause_seconds": 0.03, "receive_buffer": 4096} if slow else {}
        listener = Listener(
            self._turned(),
            *channels,
            start="start",
            silence_seconds=30.0,
            wander_seconds=5.0 if wanders else 0.0,
            seed=self.random.randrange(2**32),
            **how,  # type: ignore[arg-type]
        )
        for judge in listener.judges.values():
            judge.anywhere = late  # what was published first may be gone by now
        self.audience.add(listener)
        if late:
            self.late.append(listener)
        return listener

    def _turned(self) -> list[str]:
        at = self.random.randrange(3)
        return [*self.urls[at:], *self.urls[:at]]

    def _ask_models(self) -> None:
        """A generation every second or so, each with two tabs."""
        number = 0
        while not self._halt.wait(1.0):
            number += 1
            prompt = f"question {number}"
            self.provider.scripts[prompt] = Script(text_for(prompt), pace_seconds=0.02)
            emptied = self.emptied  # the answer may come long after the question was stored
            generation_id = self._ask(prompt, number)
            if generation_id:
                for cut_after in (0, 7):
                    tab = Tab(self._turned(), generation_id, cut_after=cut_after)
                    tab.prompt = prompt
                    tab.emptied = emptied
                    self.tabs.append(tab)
            self._settle_tabs()
            self._settle_odd()

    def _ask(self, prompt: str, number: int) -> str:
        while not self._halt.is_set():
            url = self.urls[number % 3]
            try:
                answer = requests.post(
                    f"{url}/generations",
                    json={"prompt": prompt},
                    headers={"Idempotency-Key": f"{self.directory.name}-{number}"},
                    timeout=45,
                )
            except requests.RequestException:
                answer = None
            if answer is not None and answer.status_code in (200, 202):
                generation_id: str = answer.json()["id"]
                return generation_id
            if answer is not None and answer.status_code != 503:
                self.tally.wrong.append(f"POST /generations: {answer.status_code} {answer.text}")
                return ""
            self._halt.wait(0.2)
        return ""

    def ask_oddly(self, prompt: str, script: Script, codes: Iterable[str]) -> None:
        """A question whose answer is trouble: it must end, whole or in these words."""
        self._odd_asked += 1
        prompt = f"{prompt} {self._odd_asked}"
        self.provider.scripts[prompt] = script
        emptied = self.emptied
        generation_id = self._ask(prompt, -self._odd_asked)
        if generation_id:
            self.odd[generation_id] = emptied, frozenset(codes)

    def _settle_odd(self) -> None:
        for generation_id, (emptied, codes) in list(self.odd.items()):
            try:
                answer = requests.get(f"{self.urls[0]}/generations/{generation_id}", timeout=15)
            except requests.RequestException:
                continue
            if answer.status_code == 404 and emptied != self.emptied:
                del self.odd[generation_id]
            elif answer.ok and answer.json()["status"] in ("completed", "failed"):
                del self.odd[generation_id]
                self.tally.odd(answer.json(), codes)

    def _settle_tabs(self) -> None:
        for tab in [tab for tab in self.tabs if tab.terminal or tab.wrong]:
            self.tabs.remove(tab)
            tab.stop()
            self.tally.tab(tab, emptied=tab.emptied != self.emptied)

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    def heal(self) -> None:
        """Everything runs again; wait until it is ready."""
        if self.proxy:
            self.proxy.speak()
            self.proxy.break_all()
        for process in self._all():
            process.resume()
            if not process.running:
                process.start()
        for topology in (self.sentinels, self.cluster):
            if topology:
                topology.wait_until_current(40)
        eventually(self._ready, 40, every_seconds=0.2)

    def _all(self) -> list[Process]:
        parts = self.sentinels or self.cluster
        redis = parts.processes if parts else [self.single] if self.single else []
        return [*redis, self.steady_web, *self.webs, self.steady_worker, *self.workers]

    def _ready(self) -> bool:
        try:
            return all(requests.get(f"{url}/readyz", timeout=10).ok for url in self.urls)
        except requests.RequestException:
            return False

    def conclude(self) -> None:
        """Publish to an end, wait until everybody has everything, and judge."""
        self.heal()
        self._halt.set()
        self._asking.join(60)
        ends = {publisher.channel: self._finished(publisher) for publisher in self.publishers}
        give_up = time.monotonic() + _HEAL_SECONDS
        waiting = list(self.audience.listeners)
        while waiting and time.monotonic() < give_up:
            waiting = [each for each in waiting if not _has(each, ends)]
            time.sleep(0.05)
        while (self.tabs or self.odd) and time.monotonic() < give_up:
            self._settle_tabs()
            self._settle_odd()
            time.sleep(0.05)
        for generation_id in self.odd:
            self.tally.hanging += 1
            self.tally.wrong.append(f"{generation_id} of an odd answer does not end")
        for forks in self.forks:
            self.tally.wrong += forks.judged()
        for listener in waiting:
            self.tally.wrong.append(
                f"a listener ends at {[j.last for j in listener.judges.values()]} of {ends}"
            )
        for tab in self.tabs:
            self.tally.hanging += 1
            self.tally.wrong.append(f"a tab hangs on {tab.generation_id} at {len(tab.text)}")
        self.tally.steady(self.steady_web)
        self.audience.stop()
        for listener in self.audience.listeners:
            self.tally.listener(listener, self.causes())
        self.tally.memory(self.kind, self.memory)

    def causes(self) -> Counter[str]:
        """How often a loss may have been told, and why: what was done, and what the nodes of Redis
        did of themselves."""
        return self.allowed + Counter({"unknown-id": len(self._changes_of_place())})

    def _changes_of_place(self) -> list[str]:
        parts = self.sentinels or self.cluster
        return changes_of_place(parts.nodes) if parts else []

    def retire(self, listener: Listener) -> None:
        """A late listener has heard enough."""
        self.late.remove(listener)
        listener.stop()
        listener.join(15)
        self.tally.listener(listener, self.causes())
        self.audience.listeners.remove(listener)

    def _finished(self, publisher: Publisher) -> int:
        try:
            number = publisher.finish(90)
        except AssertionError as error:
            self.tally.wrong.append(f"publisher of {publisher.channel}: {error}")
            number = publisher.acknowledged
        self.tally.publisher(publisher)
        return number

    def end(self) -> None:
        self._halt.set()
        for tab in self.tabs:
            tab.stop()
        for process in reversed(self._started):
            process.end()
        if self.proxy:
            self.proxy.close()
        self.provider.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def logs(self) -> str:
        told = [
            f"{judge.channel}: listener {number}: {line}"
            for number, listener in enumerate(self.audience.listeners)
            for judge in listener.judges.values()
            for line in judge.told
        ]
        return "\n".join([self.hub.logs(), *self._changes_of_place(), *sorted(told)])


def _has(listener: Listener, ends: dict[str, int]) -> bool:
    return all(judge.last == ends[name] for name, judge in listener.judges.items())
