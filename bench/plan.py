"""What is measured: the peers, the scenarios, and the goals that Hubbub has set itself."""

from __future__ import annotations

from dataclasses import dataclass

from bench.environment import Environment
from bench.peers.bare import Bare
from bench.peers.centrifugo import Centrifugo
from bench.peers.fastapi import FastApi
from bench.peers.flask_sse import FlaskSse
from bench.peers.hub import Hub
from bench.peers.litellm import LiteLlm
from bench.peers.mercure import Mercure
from bench.peers.nchan import Nchan
from bench.peers.openai_package import OpenAiPackage
from bench.peers.peer import Peer
from bench.processes import LOAD_CORE
from bench.scenarios.arrive import Arrive
from bench.scenarios.crowd import Crowd
from bench.scenarios.delta_way import DeltaWay
from bench.scenarios.first_delta import FirstDelta
from bench.scenarios.many_channels import ManyChannels
from bench.scenarios.memory import Memory
from bench.scenarios.one_channel import AT_5000, SLOW, SLOW_AT_5000, FullSpeed, Paced
from bench.scenarios.publish import Publish
from bench.scenarios.scenario import Scenario
from bench.scenarios.stalled import Stalled
from bench.scenarios.storm import Storm
from bench.scenarios.worker_cpu import WorkerCpu


def peers(environment: Environment) -> dict[str, Peer]:
    found: list[Peer] = [FlaskSse(), FastApi("own"), FastApi("shared")]
    if environment.nchan:
        found += [Nchan("memory"), Nchan("redis")]
    if environment.centrifugo:
        found += [Centrifugo("memory"), Centrifugo("redis")]
    if environment.mercure:
        found.append(Mercure())
    found += [Bare("Python"), Bare("C"), Hub("append"), Hub("post")]
    found += [OpenAiPackage("threads"), OpenAiPackage("async"), LiteLlm()]
    return {peer.name: peer for peer in found}


def scenarios(*, quick: bool) -> list[Scenario]:
    if quick:
        return [
            Paced(200, 20, 1, "paced-1000"),
            FullSpeed(200, 500, 100, SLOW, "full-1000"),
            ManyChannels(30, 3, 50, 1),
            Memory(500),
            Arrive(500, 1),
            Storm(500, 0, "storm"),
            Storm(500, 500, "storm-deep"),
            Publish(8, 50, "publish-8"),
            Publish(8, 5, "publish-lines", 100, ("hub",)),
            Stalled(20, 20, 100, 2),
            Crowd(2, 300, 3, 1),
            DeltaWay(20, 50, 2),
            FirstDelta((20,), 2),
            WorkerCpu(1, 2000, 0, "worker-burst"),
            WorkerCpu(20, 100, 50, "worker-paced"),
        ]
    return [
        Paced(1000, 10, 10, "paced-1000"),
        Paced(5000, 2, 10, "paced-5000", AT_5000),
        FullSpeed(1000, 2000, 600, SLOW, "full-1000"),
        FullSpeed(5000, 2000, 150, SLOW_AT_5000, "full-5000", peers=AT_5000),
        ManyChannels(300, 3, 50, 8),
        Memory(5000),
        Arrive(5000, 20),
        Storm(2000, 0, "storm"),
        Storm(2000, 5000, "storm-deep"),
        Publish(1, 2000, "publish-1"),
        Publish(8, 1500, "publish-8"),
        Publish(64, 300, "publish-64"),
        Publish(8, 60, "publish-lines", 100, ("hub",)),
        Stalled(100, 100, 100, 8),
        Crowd(6, 16_700, 16, 5),
        DeltaWay(100, 50, 10),
        DeltaWay(1000, 10, 10, "delta-way-1000", LOAD_CORE),
        FirstDelta((1, 20, 100), 6),
        WorkerCpu(1, 20_000, 0, "worker-burst"),
        WorkerCpu(100, 500, 50, "worker-paced"),
    ]


@dataclass(frozen=True)
class Goal:
    """`measure` of Hubbub in `scenario`, over that of `peer` (None: as it is), must be at most, or
    with `least` at least, `bound`. `beside` names the scenario of the other side, where it is
    another one."""

    text: str
    scenario: str
    measure: str
    peer: str | None
    bound: float
    least: bool = False
    beside: str = ""

    def holds(self, value: float) -> bool:
        return value >= self.bound if self.least else value <= self.bound


_PER_CORE = "events_per_core_second"
_BOTH = "cpu_and_redis_us"

GOALS = (
    Goal("paced, 1,000 listeners, CPU: × nchan", "paced-1000", "cpu_us", "nchan", 0.7),
    Goal("… × bare Python loop", "paced-1000", "cpu_us", "bare-python", 1.1),
    Goal("full speed, 1,000 listeners, deliveries/s: × nchan", "full-1000",
         "deliveries_per_second", "nchan", 50, least=True),
    Goal("… × flask-sse", "full-1000", "deliveries_per_second", "flask-sse", 200, least=True),
    Goal("full speed, 5,000 listeners, deliveries/s: × nchan", "full-5000",
         "deliveries_per_second", "nchan", 50, least=True),
    Goal("… × flask-sse", "full-5000", "deliveries_per_second", "flask-sse", 200, least=True),
    Goal("300 channels × 3 × 50/s, CPU: × nchan", "channels", "cpu_us", "nchan", 0.5),
    Goal("… Redis included: × Centrifugo on Redis", "channels", _BOTH, "centrifugo-redis", 0.45),
    Goal("memory per idle listener: × nchan", "memory", "kib_per_listener", "nchan", 0.15),
    Goal("… KiB", "memory", "kib_per_listener", None, 2),
    Goal("arrival, with a token: CPU µs", "arrive", "cpu_us_per_arrival", None, 100),
    Goal("… × Centrifugo", "arrive", "cpu_us_per_arrival", "centrifugo", 0.35),
    Goal("… × Mercure", "arrive", "cpu_us_per_arrival", "mercure", 0.45),
    Goal("KiB a listener right after 5,000 arrived", "arrive", "kib_right_after", None, 1.5),
    Goal("… after they left: × before", "arrive", "left_ratio", None, 1.05),
    Goal("return, Redis included: × Centrifugo on Redis", "storm", _BOTH, "centrifugo-redis", 0.4),
    Goal("… × nchan", "storm", _BOTH, "nchan", 0.75),
    Goal("return, deep: × Centrifugo on Redis", "storm-deep", _BOTH, "centrifugo-redis", 0.4),
    Goal("… × nchan", "storm-deep", _BOTH, "nchan", 0.75),
    Goal("… × shallow", "storm-deep", _BOTH, "hub", 1.1, beside="storm"),
    Goal("an event by POST, 8 connections, with a token: CPU µs", "publish-8", "cpu_us", None, 90),
    Goal("… events/s of a core: × Centrifugo on Redis", "publish-8", _PER_CORE,
         "centrifugo-redis", 1.25, least=True),
    Goal("… × Mercure", "publish-8", _PER_CORE, "mercure", 1.2, least=True),
    Goal("… 64 connections: CPU µs", "publish-64", "cpu_us", None, 90),
    Goal("… events/s of a core: × Centrifugo on Redis", "publish-64", _PER_CORE,
         "centrifugo-redis", 1.25, least=True),
    Goal("… × Mercure", "publish-64", _PER_CORE, "mercure", 1.2, least=True),
    Goal("… alone: p50 ms", "publish-1", "p50_ms", None, 1),
    Goal("NDJSON of 100: CPU µs an event", "publish-lines", "cpu_us", None, 12),
    Goal("100 stalled beside 100 healthy: p99 × without them", "stalled", "p99_ratio", None, 1.2),
    Goal("100,000 listeners: KiB each in user space", "crowd", "kib_per_listener", None, 2),
    Goal("… heartbeats, share of a core", "crowd", "heartbeat_share", None, 0.12),
    Goal("… an event at all of them, s", "crowd", "one_event_seconds", None, 1.5),
    Goal("… a killed process's listeners back, s", "crowd", "killed_back_seconds", None, 8),
    Goal("a delta's way, 100 generations: p50 ms", "delta-way", "p50_ms", None, 0.7),
    Goal("… p99 ms", "delta-way", "p99_ms", None, 4),
    Goal("1,000 generations × 10/s in one worker: p99 ms", "delta-way-1000", "p99_ms", None, 100),
    Goal("added to the time to the first delta, 20 requests/s: p50 ms", "first-delta",
         "added_20_ms", None, 4),
    Goal("… × LiteLLM's proxy", "first-delta", "added_20_ms", "litellm", 0.5),
    Goal("worker CPU per delta, burst: × reading with openai", "worker-burst", "cpu_us",
         "openai-threads", 0.3),
    Goal("… 100 generations × 50 deltas/s", "worker-paced", "cpu_us",
         "openai-threads", 0.45),
)  # fmt: skip
