"""A copy of a process shares nothing that identifies it: what is acknowledged is stored, once."""

from __future__ import annotations

import copy
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import gevent
import pytest
from flask import Flask

from hub import Hub, Hubbub
from hub.channel import BEFORE_FIRST
from hub.errors import Refused
from hub.event import Event
from hub.fanout.delivery import Delivery
from hub.process import PerProcess
from hub.settings import Settings
from hub.store.frame import StoredEvent
from hub.store.producer import Producer
from tests.support.deadline import eventually, patience
from tests.support.process import Process, ReservedPort
from tests.support.real import ROOT
from tests.support.stack import Web, clean_environ
from tests.support.valkey import Valkey
from workers.queue import Queue
from workers.request import Request
from workers.store import Generations


@pytest.fixture
def hub(valkey: Valkey) -> Iterator[Hub]:
    with Hub.from_url(valkey.url, Settings()) as hub:
        yield hub


def stored(hub: Hub, channel: str = "news") -> list[str]:
    frames = hub.history.read(channel, BEFORE_FIRST).frames
    return [StoredEvent.of(frame).data for frame in frames]


def in_child(work: Callable[[], str]) -> str:
    """What `work` returns in a forked child, which ends at once afterwards."""
    read, write = os.pipe()
    child = os.fork()
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


FORKING = """
import ctypes, os, sys
from hub import Hub
fork = {"announced": os.fork, "unannounced": ctypes.PyDLL(None).fork}[sys.argv[2]]
hub = Hub.from_url(sys.argv[1])
def publish(text):
    print(hub.publish("news", text), flush=True)
if sys.argv[3] == "used":
    publish("parent")
for number in range(3):
    child = fork()
    if child == 0:
        publish(f"child {number}")
        os._exit(0)
    os.waitpid(child, 0)
publish("parent again")
"""
"""In a process of its own: of an unannounced fork, which a library in C makes, Python hears
nothing, so that a child waits for ever for the parent's other threads, and pytest's processes have
some."""


@pytest.mark.parametrize("used", ["unused", "used"])
@pytest.mark.parametrize("fork", ["announced", "unannounced"])
def test_what_two_children_publish_is_stored_twice(
    hub: Hub, valkey: Valkey, used: str, fork: str
) -> None:
    command = [sys.executable, "-c", FORKING, valkey.url, fork, used]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60 * patience(), check=True
    )

    told = ["parent"] * (used == "used") + ["child 0", "child 1", "child 2", "parent again"]
    assert stored(hub) == told
    assert len(set(done.stdout.split())) == len(told)


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


def published_from_a_grandchild(hub: Hub) -> str:
    return in_child(lambda: in_child(lambda: hub.publish("news", "grandchild")))


def published_by_a_pool(hub: Hub) -> str:
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(1, mp_context=fork) as pool:
        return pool.submit(hub.publish, "news", "pool").result()


def published_by_a_server_s_fork(hub: Hub) -> str:
    with multiprocessing.get_context("forkserver").Pool(1) as pool:
        return str(pool.apply(hub.publish, ("news", "forkserver")))


def published_within_a_subscription(hub: Hub) -> str:
    with hub.subscribe("news", after=BEFORE_FIRST) as events:
        hub.publish("news", "for the parent")
        assert events.next(5) is not None
        return in_child(lambda: hub.publish("news", "inside"))


def published_by_a_child_of_a_greenlet(hub: Hub) -> str:
    return str(gevent.spawn(in_child, lambda: hub.publish("news", "greenlet")).get())


def published_by_one_that_is_left_alone(hub: Hub) -> str:
    """A daemon: its parent ends at once."""
    read, write = os.pipe()

    def leave() -> str:
        if os.fork() == 0:
            os.write(write, hub.publish("news", "daemon").encode())
            os._exit(0)
        return ""

    in_child(leave)
    os.close(write)
    with open(read) as answer:
        return answer.read()


@pytest.mark.parametrize(
    "published",
    [
        published_from_a_grandchild,
        published_by_a_pool,
        published_by_a_server_s_fork,
        published_within_a_subscription,
        published_by_a_child_of_a_greenlet,
        published_by_one_that_is_left_alone,
    ],
    ids=lambda way: way.__name__.removeprefix("published_"),
)
@pytest.mark.parametrize("used_before", [False, True], ids=["unused", "used"])
def test_what_is_published_has_an_id_of_its_own_however_its_process_was_made(
    hub: Hub, used_before: bool, published: Callable[[Hub], str]
) -> None:
    if used_before:
        hub.publish("news", "parent")

    ids = [published(hub), hub.publish("news", "parent again"), published(hub)]

    frames = hub.history.read("news", BEFORE_FIRST).frames
    assert [frame.id for frame in frames if frame.id in ids] == ids
    assert len(set(ids)) == 3


def test_a_fork_in_the_middle_of_another_thread_s_call_works_in_the_child(hub: Hub) -> None:
    """Every lock that the thread holds at that moment is held for ever in the child's copy."""
    over = threading.Event()

    def publish() -> None:
        while not over.is_set():
            hub.publish("busy", "x")

    threads = [threading.Thread(target=publish) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        ids = {in_child(lambda n=n: hub.publish("news", f"{n}")) for n in range(20)}  # type: ignore[misc]
    finally:
        over.set()
        for thread in threads:
            thread.join()

    assert len(ids) == 20
    assert stored(hub) == [str(number) for number in range(20)]


def test_children_that_ask_have_generations_of_their_own(hub: Hub) -> None:
    settings, link = Settings(), hub.history.link
    generations = Generations(hub.history, Queue(link, settings.lease_seconds), settings)
    request = Request([{"role": "user", "content": "Why?"}])
    generations.create(request)

    asked = [in_child(lambda: generations.create(request).generation.id) for _ in range(3)]

    listed = [generation.id for generation in generations.newest(10)]
    assert listed[:3] == asked[::-1]
    assert len(set(listed)) == 4


def test_an_extension_s_children_have_hubs_of_their_own(valkey: Valkey) -> None:
    app = Flask("of the tests")
    extension = Hubbub()
    app.config["HUBBUB_REDIS_URL"] = valkey.url
    extension.init_app(app)

    def ask() -> str:
        with app.app_context():
            return str(extension.generate(prompt="Why?").id)

    ids = [ask(), *(in_child(ask) for _ in range(3)), ask()]

    assert len(set(ids)) == 5
    with app.app_context():
        extension.close(app)


def test_children_draw_for_themselves_when_their_listeners_come_back(hub: Hub) -> None:
    delivery = Delivery(hub.history, Settings())
    assert len({in_child(lambda: str(delivery.random.random())) for _ in range(3)}) == 3


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

    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60 * patience()
    )

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
