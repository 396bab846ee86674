"""A copy of a process shares nothing that identifies it: what is acknowledged is stored, once."""

from __future__ import annotations

import copy
import ctypes
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub import Hub
from hub.channel import BEFORE_FIRST
from hub.errors import Refused
from hub.event import Event
from hub.process import PerProcess
from hub.settings import Settings
from hub.store.frame import StoredEvent
from hub.store.history import Producer
from tests.support.deadline import eventually
from tests.support.process import Process, ReservedPort
from tests.support.real import ROOT
from tests.support.stack import Web, clean_environ
from tests.support.valkey import Valkey


@pytest.fixture
def hub(valkey: Valkey) -> Iterator[Hub]:
    with Hub.from_url(valkey.url, Settings()) as hub:
        yield hub


def stored(hub: Hub, channel: str = "news") -> list[str]:
    frames = hub.history.read(channel, BEFORE_FIRST).frames
    return [StoredEvent.of(frame).data for frame in frames]


def in_child(work: Callable[[], str], fork: Callable[[], int] = os.fork) -> str:
    """What `work` returns in a forked child, which ends at once afterwards."""
    read, write = os.pipe()
    child = fork()
    if child == 0:  # pragma: no cover
        try:
            said = work()
        except BaseException as error:
            said = repr(error)
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    with open(read) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


def unannounced_fork() -> int:
    """A fork of which Python hears nothing, as a library in C makes it."""
    number: int = ctypes.PyDLL(None).fork()
    return number


@pytest.mark.parametrize("used_before", [False, True], ids=["unused", "used"])
@pytest.mark.parametrize("fork", [os.fork, unannounced_fork])
def test_what_two_children_publish_is_stored_twice(
    hub: Hub, used_before: bool, fork: Callable[[], int]
) -> None:
    if used_before:
        hub.publish("news", "parent")

    ids = {in_child(lambda n=n: hub.publish("news", f"child {n}"), fork) for n in range(3)}  # type: ignore[misc]

    assert len(ids) == 3
    assert stored(hub)[-3:] == ["child 0", "child 1", "child 2"]
    assert hub.publish("news", "parent again") not in ids


def test_many_events_of_two_children_are_all_stored(hub: Hub) -> None:
    hub.publish_many([("news", "0", None)])

    for number in range(2):
        in_child(lambda n=number: str(hub.publish_many([("news", f"{n}", None)] * 3)))  # type: ignore[misc]

    assert sorted(stored(hub)) == ["0"] * 4 + ["1"] * 3


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_of_multiprocessing_publish_for_themselves(hub: Hub, method: str) -> None:
    hub.publish("news", "parent")

    with multiprocessing.get_context(method).Pool(3) as pool:
        ids = pool.starmap(hub.publish, [("news", str(number)) for number in range(12)])

    assert len(set(ids)) == 12
    assert sorted(stored(hub)) == sorted(["parent", *map(str, range(12))])


def test_memory_that_runs_twice_publishes_twice(hub: Hub) -> None:
    """A restored snapshot: the same names and counters, and no process began."""
    hub.publish("news", "before")
    restored = copy.copy(hub.history)
    restored._producers = copy.copy(hub.history._producers)
    held = hub.history._producers._held
    assert held is not None
    restored._producers._held = (held[0], copy.deepcopy(held[1]))

    for history, text in ((hub.history, "the one"), (restored, "the other")):
        history.append("news", [Event(text)])

    assert stored(hub) == ["before", "the one", "the other"]


def test_a_copy_of_a_writer_is_refused_and_not_answered_with_another_s_event(hub: Hub) -> None:
    began = time.time()
    hub.history.append("news", [Event("one")], producer=Producer("w", 1, began, "a"))

    with pytest.raises(Refused):
        hub.history.append("news", [Event("other")], producer=Producer("w", 1, began, "b"))

    again = hub.history.append("news", [Event("one")], producer=Producer("w", 1, began, "a"))
    assert len(again.ids) == 1
    assert stored(hub) == ["one"]


def test_a_child_leaves_the_parent_s_connections_alone(hub: Hub) -> None:
    with hub.subscribe("news", after=BEFORE_FIRST) as events:
        hub.publish("news", "1")
        assert events.next(5) is not None

        def publish_and_listen() -> str:
            hub.publish("news", "2")
            found = events.next(5)
            events.close()
            hub.close()
            return found.data if found else "nothing"

        assert in_child(publish_and_listen) == "2"
        received = events.next(5)
        assert received is not None and received.data == "2"
        hub.publish("news", "3")
        received = events.next(5)
        assert received is not None and received.data == "3"


def test_a_value_of_a_process_is_made_once_there_and_anew_in_a_child() -> None:
    made: list[int] = []

    def make() -> int:
        made.append(os.getpid())
        return os.getpid()

    value = PerProcess(make)

    assert value.get() == value.get() == os.getpid()
    assert made == [os.getpid()]
    assert in_child(lambda: str(value.get() == os.getpid())) == "True"
    assert in_child(lambda: str(value.here())) == "None"


UNDER_GEVENT = """
from gevent import monkey; monkey.patch_all()
import os, sys, gevent
from hub import Hub
from hub.fanout.feed import Feed
from hub.fanout.turns import Turns

hub = Hub.from_url(sys.argv[1])
link = hub.history.link
heard, confirmed = [], gevent.event.Event()

class Hearing:
    def announced(self, payload): heard.append(payload)
    def confirmed(self): confirmed.set()

feed = Feed(link, Turns())
feed.subscribe(link.keys.pubsub("news"), Hearing())
confirmed.wait(10)
child = os.fork()
if child == 0:
    for number in range(100):
        hub.publish("news", f"child {number}")
        gevent.sleep(0.01)
    os._exit(0)
for number in range(100):
    hub.publish("news", f"parent {number}")
    gevent.sleep(0.01)
os.waitpid(child, 0)
feed.barrier(link.keys.pubsub("news"), 10)
print(len(heard), feed.reconnects)
"""


def test_a_child_of_a_gevent_process_hears_nothing_in_its_parent_s_place(valkey: Valkey) -> None:
    """gevent copies the greenlets: without more, the child reads from the parent's subscription."""
    command = [sys.executable, "-c", UNDER_GEVENT, valkey.url]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.stdout.split() == ["200", "0"], done.stderr


class Preloaded(Web):
    """gunicorn that imports the application before it forks, with two children."""

    def __init__(self, log: Path, redis_url: str) -> None:
        self.reserved = ReservedPort()
        self.url = f"http://127.0.0.1:{self.reserved.number}"
        command = [sys.executable, "-m", "gunicorn", "--preload", "-c", "gunicorn.conf.py"]
        env = {
            **clean_environ(),
            "REDIS_URL": redis_url,
            "HOST": "127.0.0.1",
            "PORT": str(self.reserved.number),
            "WEB_CONCURRENCY": "2",
            "HUB_HEARTBEAT_SECONDS": "1",
        }
        Process.__init__(self, "preloaded", [*command, "app:app"], log, env=env, cwd=ROOT)


@pytest.mark.slow
def test_children_of_a_preloaded_application_acknowledge_only_what_they_store(
    valkey: Valkey, processes: list[Process], tmp_path: Path, hub: Hub
) -> None:
    web = Preloaded(tmp_path / "log", valkey.url)
    processes.append(web)
    web.start()

    # Each request on a connection of its own, so both children get some.
    ids = [web.publish("news", str(number)) for number in range(40)]

    assert len(set(ids)) == 40
    assert stored(hub) == [str(number) for number in range(40)]
    streams = [web.events("news", query={"heartbeat": 1}) for _ in range(12)]
    try:
        # Were the two counted under one name, one would overwrite the other.
        eventually(lambda: web.get("/channels/news").json()["listeners"] == 12)
    finally:
        for stream in streams:
            stream.close()
