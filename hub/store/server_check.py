"""What a Redis is and may do for us: asked by a process at its start, by `/readyz` and `doctor`.

    stops       a version that is too old, a command or pub/sub channel that the user may not use, a
                password that is not accepted, another version's data (`data_version`): nothing
                but an operator mends that
    waits       no answer, loading, a replica: `RedisUnavailable`, and asked again
    is told     an eviction policy that may take events away, nothing kept on disk, an output
                buffer that is too small: the hub works, with less of its promise

The commands are read from the scripts themselves, so the check cannot fall behind them. Redis 6.2
cannot be asked about commands; there a refusal is found when it happens.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from redis.cluster import RedisCluster
from redis.exceptions import ResponseError

from hub.errors import RedisRefused, RedisUnavailable, RedisUnfit
from hub.store.data_version import other_data
from hub.store.redis_link import TRY_SECONDS, RedisLink
from hub.store.script import Script

log = logging.getLogger("hub.redis")

LEAST_VERSION = (6, 2)
LEAST_CLUSTER_VERSION = (7, 0)
"""`SPUBLISH` came with 7.0."""

PAUSE_SECONDS = 0.5

LEAST_OUTPUT_BYTES = 16 * 2**20
"""For a subscriber: twice what one batch of events may have. Redis' own limit is 32 MiB."""

_OUTPUT_BUFFERS = "client-output-buffer-limit"
_CHECK = Script.load("hub.store", "check")
_SCRIPTED = re.compile(r"redis\.p?call\('([A-Z]+)'(?:, '([A-Z]+)')?")
_CONTAINERS = frozenset({"XGROUP", "XINFO"})


@dataclass(frozen=True, slots=True)
class ServerCheck:
    """What was found. `missing` stops a process, `warnings` are told."""

    version: str
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def check_server(
    link: RedisLink, packages: Sequence[str], *, try_seconds: float = TRY_SECONDS
) -> ServerCheck:
    """Ask Redis once. `packages` are those whose scripts this process runs. Raises
    `RedisUnavailable`."""
    try:
        facts: dict[str, Any] = link.call(_facts, try_seconds=try_seconds, doing="INFO")
        version = str(facts.get("redis_version", ""))
        mode = facts.get("server_mode") or facts.get("redis_mode")  # Valkey's name, Redis' name
        other = _other_kind(str(mode), link.cluster)
        if other:
            return ServerCheck(version, (other,))
        missing = [*_too_old(version, link.cluster), *_not_permitted(link, packages, try_seconds)]
        if facts.get("role") == "slave":
            raise RedisUnavailable("the server that answers is a replica")
        if not missing and (written := other_data(link, try_seconds)):
            missing.append(written)
    except RedisRefused as refused:
        return ServerCheck("", (refused.detail,))
    return ServerCheck(version, tuple(missing), tuple(_warnings(facts)))


def wait_until_fit(
    link: RedisLink, packages: Sequence[str], given_up: Callable[[], bool] = lambda: False
) -> None:
    """Return when Redis answers and has all that is needed, or when `given_up` says so. Raises
    `RedisUnfit`, whose one line names what is missing."""
    told = False
    while not given_up():
        try:
            found = check_server(link, packages)
        except RedisUnavailable as error:
            if not told:
                log.warning("waiting for Redis: %s", error.detail)
            told = True
            time.sleep(PAUSE_SECONDS)
            continue
        refuse_unfit(found)
        for warning in found.warnings:
            log.warning("Redis %s: %s", found.version, warning)
        return


def refuse_unfit(found: ServerCheck) -> None:
    """Raises `RedisUnfit`, whose one line names what is missing."""
    if found.missing:
        raise RedisUnfit(f"this Redis will not do: {'; '.join(found.missing)}")


def _facts(client: Any) -> dict[str, Any]:
    """What INFO says, and how it is configured as far as that may be asked."""
    where = {"target_nodes": RedisCluster.RANDOM} if isinstance(client, RedisCluster) else {}
    facts: dict[str, Any] = {}
    for question in (("INFO",), ("CONFIG GET", "save"), ("CONFIG GET", _OUTPUT_BUFFERS)):
        try:
            facts |= client.execute_command(*question, **where)
        except ResponseError:
            pass  # a user without INFO or CONFIG is a careful one
    return facts


def _other_kind(mode: str, cluster: bool) -> str:
    """What it is, where that is not what the URL says; '' where it is."""
    if mode == "sentinel":
        return "it is a Sentinel: REDIS_URL must begin with redis+sentinel:// and name its primary"
    if mode == "cluster" and not cluster:
        return "it is a node of a Cluster: REDIS_URL must begin with redis+cluster://"
    return ""


def _too_old(version: str, cluster: bool) -> Iterator[str]:
    least = LEAST_CLUSTER_VERSION if cluster else LEAST_VERSION
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers and numbers < least:
        where = " in a Cluster" if cluster else ""
        yield f"its version is {version}, at least {least[0]}.{least[1]} is needed{where}"


def _not_permitted(link: RedisLink, packages: Sequence[str], try_seconds: float) -> Iterator[str]:
    key = link.keys.key("check", "events")
    commands = ["\t".join(command) for command in _commands(link, packages, key)]
    refused = link.run(_CHECK, [key], commands, try_seconds=try_seconds)
    if refused:
        names = sorted({name.decode().lower() for name in refused})
        yield f"its user may not run {', '.join(names)} (ACL, or a command that is renamed)"


def _commands(link: RedisLink, packages: Sequence[str], key: str) -> Iterator[tuple[str, ...]]:
    for package in packages:
        for file in resources.files(package).joinpath("lua").iterdir():
            for name, word in _SCRIPTED.findall(file.read_text("utf-8")):
                yield (name, word, key) if name in _CONTAINERS else (name, key)
    channel = link.keys.pubsub("check")
    yield from (
        (link.publish_command, channel, "x"),
        ("SSUBSCRIBE" if link.cluster else "SUBSCRIBE", channel),
        ("EVAL", "return", "1", key),
        ("SCRIPT", "LOAD", "return"),
        ("ZRANGE", key, "0", "1"),
        ("ZRANGEBYSCORE", key, "0", "1"),
        # The scripts of `limits` (`access.limits`).
        ("LINDEX", key, "0"),
        ("LPUSH", key, "x"),
        ("LTRIM", key, "0", "1"),
        ("ZREVRANGE", key, "0", "1"),
        ("XREADGROUP", "GROUP", "g", "c", "STREAMS", key, ">"),
        ("XGROUP", "CREATE", key, "g", "0"),
        ("PING",),
    )
    if link.wait_replicas:
        yield ("WAIT", "1", "1")


def _warnings(facts: dict[str, Any]) -> Iterator[str]:
    policy = str(facts.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction" and facts.get("maxmemory"):
        yield f"maxmemory-policy {policy} may take events away; set noeviction"
    if facts.get("aof_enabled") == 0 and facts.get("save") == "":
        yield "nothing is kept on disk; a restart of it forgets all events"
    pubsub = re.search(r"pubsub (\d+)", str(facts.get(_OUTPUT_BUFFERS, "")))
    if pubsub and 0 < int(pubsub[1]) < LEAST_OUTPUT_BYTES:
        yield (
            f"{_OUTPUT_BUFFERS} pubsub {pubsub[1]} drops a process that one batch of events makes "
            "wait; set pubsub 33554432 8388608 60"
        )
