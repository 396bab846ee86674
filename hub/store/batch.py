"""Many script calls in one round trip per Redis node.

redis-py's Cluster pipeline refuses `EVALSHA`, and its other one stops at the first missing script.
Here the calls for one node leave in one write on a connection of its pool and the replies are read
behind it. The script goes in front of them where the node may not have it.

`HUB_WAIT_REPLICAS` holds here as for single calls: one `WAIT` behind them all.

The calls must bear being repeated (`hub.store.producer`): what got no answer is sent again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from redis.exceptions import NoScriptError, ResponseError

from hub.backoff import Backoff
from hub.errors import RedisFailure, RedisRefused, RedisUnavailable
from hub.store.exchange import exchange
from hub.store.redis_link import CLIENT_ERRORS, TRY_SECONDS, RedisLink
from hub.store.script import Call, Script


def run_many(
    link: RedisLink,
    script: Script,
    calls: Sequence[Call],
    *,
    durable: bool = False,
    try_seconds: float = TRY_SECONDS,
) -> list[Any]:
    """The replies, in the order of the calls. `durable` is `RedisLink.run`'s.

    Raises `RedisUnavailable` when not all of them were answered in time: nobody knows which of the
    rest were carried out. `RedisRefused` where one will never be; the others may have been.
    """
    replies: dict[int, Any] = {}
    give_up = time.monotonic() + try_seconds
    backoff = Backoff(0.02, 0.5)
    wait = link.wait_command if durable else None
    load = False
    while True:
        load, problem = _round(link, script, calls, replies, wait, load=load)
        if len(replies) == len(calls):
            return [replies[number] for number in range(len(calls))]
        if load:
            continue
        if isinstance(problem, RedisRefused) or time.monotonic() + backoff.seconds > give_up:
            raise problem
        time.sleep(backoff.take())
        _look_again(link)


def _round(
    link: RedisLink,
    script: Script,
    calls: Sequence[Call],
    replies: dict[int, Any],
    wait: tuple[object, ...] | None,
    *,
    load: bool,
) -> tuple[bool, RedisFailure]:
    """Send what has no reply yet, once; whether a node lacks the script, and what went wrong."""
    missing = False
    problem: RedisFailure = RedisUnavailable("a node does not take the script")
    for pool, numbers in _by_node(link, calls, replies):
        try:
            for number, reply in _send(link, pool, script, calls, numbers, wait, load=load):
                if isinstance(reply, NoScriptError):
                    missing = not load
                elif isinstance(reply, ResponseError):
                    problem = link.failed(reply, script.name)
                else:
                    replies[number] = reply
        except CLIENT_ERRORS as error:
            problem = link.failed(error, script.name)
    return missing, problem


def _by_node(
    link: RedisLink, calls: Sequence[Call], replies: Mapping[int, Any]
) -> Iterator[tuple[Any, list[int]]]:
    waiting = [number for number in range(len(calls)) if number not in replies]
    if not link.cluster:
        yield link.client.connection_pool, waiting
        return
    pools: dict[str, tuple[Any, list[int]]] = {}
    for number in waiting:
        node = link.node_of(calls[number][0][0])
        pool = node.redis_connection.connection_pool
        pools.setdefault(node.name, (pool, []))[1].append(number)
    yield from pools.values()


def _send(
    link: RedisLink,
    pool: Any,
    script: Script,
    calls: Sequence[Call],
    numbers: Sequence[int],
    wait: tuple[object, ...] | None,
    *,
    load: bool,
) -> list[tuple[int, Any]]:
    """The replies of one node. Raises `RedisError` where too few replicas have the writes."""
    commands = [script.command(*calls[number]) for number in numbers]
    if load:
        commands.insert(0, ("SCRIPT", "LOAD", script.text))
    if wait:
        commands.append(wait)
    found = exchange(pool, commands)
    if wait:
        link.check_waited(found.pop())
    return list(zip(numbers, found[1:] if load else found, strict=True))


def _look_again(link: RedisLink) -> None:
    try:
        link.refresh_topology()
    except RedisFailure:
        pass  # the next round says so
