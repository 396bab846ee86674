"""What may be done to a world. Each fault is a function; its name is what the report says."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

import redis
import requests

from hub.store.keys import Keys
from tests.faults.poison import CODES, POISON, answer
from tests.faults.soak.forks import Forks
from tests.faults.soak.world import CHANNELS, World
from tests.faults.topology import slot_of
from tests.support.deadline import eventually
from tests.support.provider import Script
from tests.support.stack import descendants
from tests.support.stream import EventStream
from tests.support.valkey import Valkey

Fault = Callable[[World], None]


def kill_a_serving_process(world: World) -> None:
    web = world.webs[0]
    serving = [pid for pid, line in descendants(web.pid).items() if "gunicorn" in line]
    if serving:
        with suppress(ProcessLookupError):
            os.kill(world.random.choice(serving), signal.SIGKILL)


def kill_a_web_server(world: World) -> None:
    web = world.random.choice(world.webs)
    web.kill()
    _later(world, 2)
    web.start()


def terminate_a_web_server(world: World) -> None:
    web = world.random.choice(world.webs)
    web.terminate()
    web.start()


def stop_a_web_server_for_a_while(world: World) -> None:
    web = world.random.choice(world.webs)
    web.pause()
    _later(world, 6)
    web.resume()


def kill_a_worker(world: World) -> None:
    worker = world.random.choice(world.workers)
    worker.kill()
    worker.start()


def terminate_a_worker(world: World) -> None:
    worker = world.random.choice(world.workers)
    worker.terminate()
    worker.start()


def stop_a_worker_past_its_lease(world: World) -> None:
    worker = world.random.choice(world.workers)
    worker.pause()
    _later(world, 5)
    worker.resume()


def cut_listeners_off(world: World) -> None:
    listeners = list(world.audience.listeners)
    for listener in world.random.sample(listeners, len(listeners) // 2):
        listener.cut()


def let_one_come_late(world: World) -> None:
    if len(world.late) > 6:
        world.retire(world.random.choice(world.late))
    world.listen(world.random.choice(CHANNELS), late=True)


def let_a_crowd_come_and_go(world: World) -> None:
    with ExitStack() as streams:
        for _ in range(60):
            with suppress(OSError, AssertionError):
                url = world.random.choice(world.urls)
                streams.enter_context(EventStream(f"{url}/channels/news/events"))


def stall_some_listeners(world: World) -> None:
    """They read nothing for some seconds; the rest must not notice."""
    with ExitStack() as streams:
        for _ in range(10):
            with suppress(OSError, AssertionError):
                url = f"{world.steady_web.url}/channels/news/events"
                streams.enter_context(
                    EventStream(url, query={"from": "start"}, receive_buffer=4096)
                )
        _later(world, 3)


def send_garbage(world: World) -> None:
    for web in (world.steady_web, *world.webs):
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", web.reserved.number), 2) as sock,
        ):
            sock.sendall(world.random.randbytes(world.random.randrange(1, 20_000)))


def delete_a_channel(world: World) -> None:
    world.allowed["deleted"] += 1
    with suppress(requests.RequestException):
        requests.delete(f"{world.steady_web.url}/channels/scrap", timeout=15)


def ask_a_poisoned_model(world: World) -> None:
    for name in world.random.sample(sorted(POISON), 4):
        world.ask_oddly(name, answer(name), CODES)


def ask_for_a_huge_answer(world: World) -> None:
    script = Script(deltas=["x" * 20_000] * 200)
    world.ask_oddly("much", script, {"answer-too-large", "redis-refused"})


def send_half_a_body(world: World) -> None:
    """Of some the rest never comes, of some it is broken."""
    head = b"POST /channels/scrap/events HTTP/1.1\r\nHost: localhost\r\n"
    head += b"Content-Type: text/plain\r\n"
    halves = (
        head + b"Content-Length: 1000\r\n\r\nhalf",
        head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhalf",
        head + b"Transfer-Encoding: chunked\r\n\r\n8\r\nhalf",
    )
    with ExitStack() as connections:
        for _ in range(20):
            web = world.random.choice([world.steady_web, *world.webs])
            with suppress(OSError):
                address = ("127.0.0.1", web.reserved.number)
                sock = connections.enter_context(socket.create_connection(address, 2))
                sock.sendall(world.random.choice(halves))
        _later(world, 3)


def publish_from_forks(world: World) -> None:
    """Children of one process, which made its `Hub` before it forked."""
    world.forks.append(Forks(world.url, f"forks-{len(world.forks)}"))


# ── a single Redis ───────────────────────────────────────────────────────────────────────────────


def kill_redis(world: World) -> None:
    assert world.single
    world.single.kill()
    _later(world, 2)
    world.single.start()


def terminate_redis(world: World) -> None:
    assert world.single
    world.single.terminate()
    _later(world, 2)
    world.single.start()


def stop_redis_for_a_while(world: World) -> None:
    assert world.single
    world.single.pause()
    time.sleep(20 if world.random.random() < 0.15 else world.random.uniform(0.5, 7))
    world.single.resume()


def kill_connections(world: World) -> None:
    kind = world.random.choice(["pubsub", "normal"])
    for node in _primaries(world):
        _ask(node, "CLIENT", "KILL", "TYPE", kind)


def flush_scripts(world: World) -> None:
    for node in _primaries(world):
        _ask(node, "SCRIPT", "FLUSH")


def empty_redis(world: World) -> None:
    assert world.single
    world.emptied += 1  # before, and after: a question may be stored in between
    world.allowed["unknown-id"] += 1
    _ask(world.single, "FLUSHALL")
    world.emptied += 1


def let_links_go_silent(world: World) -> None:
    assert world.proxy
    world.proxy.go_silent(for_new_ones_too=world.random.random() < 0.3)
    _later(world, 4)
    world.proxy.speak()


def break_links(world: World) -> None:
    assert world.proxy
    world.proxy.break_all()


def refuse_an_append_for_good(world: World) -> None:
    assert world.single
    _ask(world.single, "CONFIG", "SET", "proto-max-bulk-len", str(2**20))
    script = Script(deltas=["x" * 20_000] * 80)
    world.ask_oddly("refused", script, {"redis-refused"})


def swallow_an_answer(world: World) -> None:
    assert world.proxy
    world.proxy.swallow_reply_to(b"data: ")


# ── more than one ────────────────────────────────────────────────────────────────────────────────


def kill_the_primary(world: World) -> None:
    assert world.sentinels
    old = world.sentinels.primary
    old.kill()
    primary = world.sentinels.other_than(old, 40)
    _later(world, 2)
    world.sentinels.rejoin(old, primary)
    world.sentinels.wait_until_current(40)


def stop_the_primary_until_it_is_replaced(world: World) -> None:
    assert world.sentinels
    old = world.sentinels.primary
    old.pause()
    world.sentinels.other_than(old, 40)
    old.resume()
    world.sentinels.wait_until_current(40)


def kill_a_sentinel(world: World) -> None:
    assert world.sentinels
    sentinel = world.random.choice(world.sentinels.sentinels)
    sentinel.kill()
    sentinel.start()


def kill_the_replica(world: World) -> None:
    assert world.sentinels
    replica = world.sentinels.replica
    replica.kill()
    _later(world, 2)
    replica.start()
    world.sentinels.wait_until_current(40)


def move_a_slot(world: World) -> None:
    assert world.cluster
    slot = _slot(world)
    owner = world.cluster.owner(slot)
    target = world.random.choice([n for n in world.cluster.primaries() if n is not owner])
    world.cluster.move_slot(slot, target)


def kill_a_primary(world: World) -> None:
    assert world.cluster
    slot = _slot(world)
    old = world.cluster.owner(slot)
    old.kill()
    world.cluster.owner_other_than(old, slot, 40)
    _later(world, 2)
    old.start()
    world.cluster.wait_until_current(40)


def change_places_in_a_shard(world: World) -> None:
    assert world.cluster
    slot = _slot(world)
    old = world.cluster.owner(slot)
    _ask(world.cluster.replica_of(old), "CLUSTER", "FAILOVER")
    world.cluster.owner_other_than(old, slot, 40)
    world.cluster.wait_until_current(40)


EVERYWHERE: tuple[Fault, ...] = (
    kill_a_serving_process,
    kill_a_web_server,
    terminate_a_web_server,
    stop_a_web_server_for_a_while,
    kill_a_worker,
    terminate_a_worker,
    stop_a_worker_past_its_lease,
    cut_listeners_off,
    let_one_come_late,
    let_a_crowd_come_and_go,
    stall_some_listeners,
    send_garbage,
    send_half_a_body,
    ask_a_poisoned_model,
    ask_for_a_huge_answer,
    publish_from_forks,
    delete_a_channel,
    kill_connections,
    flush_scripts,
)
OF: dict[str, tuple[Fault, ...]] = {
    "single": (
        kill_redis,
        terminate_redis,
        stop_redis_for_a_while,
        empty_redis,
        let_links_go_silent,
        break_links,
        swallow_an_answer,
        refuse_an_append_for_good,
    ),
    "sentinel": (
        kill_the_primary,
        stop_the_primary_until_it_is_replaced,
        kill_a_sentinel,
        kill_the_replica,
    ),
    "cluster": (move_a_slot, kill_a_primary, change_places_in_a_shard),
}


def _slot(world: World) -> int:
    return slot_of(Keys().pubsub(world.random.choice(CHANNELS)))


def _primaries(world: World) -> list[Valkey]:
    if world.cluster:
        return world.cluster.primaries()
    if world.sentinels:
        return [world.sentinels.primary]
    assert world.single
    return [world.single]


def _ask(node: Valkey, *command: str) -> None:
    def done() -> bool:
        try:
            with node.client() as client:
                client.execute_command(*command)
        except redis.ResponseError:
            return True  # nobody to kill
        except redis.RedisError:
            return False
        return True

    eventually(done, 20)


def _later(world: World, most_seconds: float) -> None:
    """How long it lasts is part of the fault, and drawn by lot."""
    threading.Event().wait(world.random.uniform(0.1, most_seconds))
