"""Listeners that are slow, stalled, gone or malicious: they harm themselves, nobody else."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest

from tests.conftest import StartStack
from tests.faults.conftest import MakeAudience, StartPublisher
from tests.faults.crowd import Crowd
from tests.faults.payload import payload
from tests.faults.test_web import serving
from tests.support.deadline import eventually
from tests.support.stack import Stack, Web
from tests.support.stream import EventStream

MIB = 2**20


def memory_bytes(web: Web) -> int:
    """What the processes of one gunicorn hold in RAM, of their own."""
    return sum(own_bytes(pid) for pid in [web.pid, *serving(web)])


def own_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/statm") as file:
        _, resident, shared, *_ = file.read().split()
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def stalled(hub: Stack, channel: str, count: int) -> Iterator[list[EventStream]]:
    """Listeners that read their first event and then nothing."""
    with ExitStack() as streams:
        found = []
        for _ in range(count):
            stream = hub.events(channel, receive_buffer=4096)
            found.append(streams.enter_context(stream))
            stream.next("subscribed")
        yield found


@contextmanager
def raw_connection(hub: Stack) -> Iterator[socket.socket]:
    parts = urlsplit(hub.url)
    with socket.create_connection((parts.hostname, parts.port), 10) as sock:
        yield sock


def test_slow_listeners_get_everything_and_fast_ones_do_not_wait_for_them(
    stack: StartStack, audience: MakeAudience, publish: StartPublisher
) -> None:
    hub = stack(workers=0)
    audience([hub.url], "news", count=4, read_bytes=3000, pause_seconds=0.01, receive_buffer=4096)
    publisher = publish([hub.url], "news", batch=20, pause_seconds=0).reached(4000)
    number = publisher.finish()
    fast = audience([hub.url], "news", count=4)
    eventually(lambda: all(each.last == number for each in fast.listeners[4:]), 10)
    fast.has_all(number)


def test_a_hundred_stalled_listeners_cost_no_growing_memory_and_hold_up_nobody(
    stack: StartStack, audience: MakeAudience
) -> None:
    hub = stack(env={"HUB_HISTORY_BYTES": str(16 * MIB)}, workers=0)
    event = "x" * 100_000
    with stalled(hub, "news", 100) as streams, hub.events("news") as healthy:
        healthy.next("subscribed")
        for _ in range(20):  # whatever buffers there are, are full now
            hub.publish("news", event)
            healthy.take(1)
        before, slowest = memory_bytes(hub.web), 0.0
        for _ in range(300):
            began = time.monotonic()
            hub.publish("news", event)
            healthy.take(1)
            slowest = max(slowest, time.monotonic() - began)
        grown = memory_bytes(hub.web) - before
        assert grown < 25 * MIB, f"{grown / MIB:.0f} MiB for 30 MB published"
        assert slowest < 1.0
        # One that begins to read again is led on: by what is retained, behind a gap.
        late = streams[0]
        late.until(lambda stream: any(each.event == "gap" for each in stream.events), 20)
        end = hub.publish("news", "the end")
        late.until(lambda stream: stream.last_id == end, 30)


def test_a_listener_that_takes_no_byte_is_closed_in_time_and_others_are_not(
    stack: StartStack, publish: StartPublisher
) -> None:
    hub = stack(env={"HUB_LISTENER_STALL_SECONDS": "1"}, workers=0)
    with stalled(hub, "news", 3) as streams, hub.events("news") as idle:
        idle.next("subscribed")
        publisher = publish([hub.url], "news", batch=50, pause_seconds=0)
        with hub.events("news", query={"from": "start"}) as reading:
            reading.take(5000, within_seconds=30)
            idle.take(5000, within_seconds=30)

            def listeners() -> int:
                reading.take(10)
                idle.take(10)
                found: int = hub.get("/channels/news").json()["listeners"]
                return found

            eventually(lambda: listeners() == 2, 15)
        publisher.finish()
        for stream in streams:
            stream.to_end()  # what was on its way, and no more
    assert "reason=stalled" in hub.web.log()


def test_a_reader_of_one_byte_now_and_then_disturbs_nobody(
    stack: StartStack, audience: MakeAudience, publish: StartPublisher
) -> None:
    hub = stack(workers=0)
    with stalled(hub, "news", 5) as streams:
        listeners = audience([hub.url], "news", count=4)
        publisher = publish([hub.url], "news", batch=10, pause_seconds=0)
        for target in range(500, 3001, 500):
            publisher.reached(target)
            for stream in streams:
                assert stream.feed_some(1) == 1
        listeners.has_all(publisher.finish())


def test_one_who_has_left_is_noticed_at_once_also_without_goodbye(stack: StartStack) -> None:
    hub = stack(workers=0)
    with hub.events("news") as stays:
        stays.next("subscribed")
        leavers = [hub.events("news") for _ in range(5)]
        for leaver in leavers:
            leaver.next("subscribed")
        assert hub.get("/channels/news").json()["listeners"] == 6
        for leaver in leavers:
            leaver.cut()
        eventually(lambda: hub.get("/channels/news").json()["listeners"] == 1, 2)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
        b"GET /channels/news/events HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000,
        b"GET " + b"/" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\0\0\0\0\r\n\r\n",
        b"POST /channels/news/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /channels/news/events HTTP/1.1\r\nHost: localhost\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["tls", "endless header", "endless path", "zeros", "negative length", "bad chunk"],
)
def test_garbage_in_place_of_a_request_ends_that_connection_alone(
    garbage: bytes, stack: StartStack
) -> None:
    hub = stack(workers=0)
    with hub.events("news") as stream, raw_connection(hub) as sock:
        stream.next("subscribed")
        answer = b""
        try:
            sock.sendall(garbage)
            while piece := sock.recv(65536):
                answer += piece
        except ConnectionError:
            pass  # closed with some of it unread: just as well
        assert answer[9:10] in (b"", b"4")
        hub.publish("news", "still here")
        assert stream.take(1)[0].data == "still here"
    assert "Traceback" not in hub.web.log()


def test_garbage_on_an_open_stream_never_reaches_the_stream_and_is_bounded(
    stack: StartStack,
) -> None:
    hub = stack(workers=0)
    with hub.events("news") as stream:
        stream.next("subscribed")
        stream.socket.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 10)
        hub.publish("news", "one")
        assert stream.take(1)[0].data == "one"
        assert b"HTTP/1.1" not in stream.raw
        with pytest.raises(OSError):  # it is closed before long
            for _ in range(10_000):
                stream.socket.sendall(b"x" * 4096)
    eventually(lambda: hub.get("/channels/news").json()["listeners"] == 0, 2)


def test_ten_thousand_connections_that_say_nothing_are_closed_and_meanwhile_others_are_served(
    stack: StartStack,
) -> None:
    hub = stack(workers=0)
    with ExitStack() as connections:
        count = min(10_000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)
        silent = [connections.enter_context(raw_connection(hub)) for _ in range(count)]
        for sock in silent[::2]:
            sock.sendall(b"GET /channels/news/events HTTP/1.1\r\nHost: ")
        with hub.events("news") as stream:
            stream.next("subscribed")
            hub.publish("news", "served")
            assert stream.take(1)[0].data == "served"
        for sock in silent:
            assert sock.recv(4096) == b""  # and not the socket's time-out
    assert hub.get("/healthz").status_code == 200


@pytest.mark.slow
def test_the_memory_that_a_crowd_needed_comes_back_when_it_has_left(stack: StartStack) -> None:
    hub = stack(workers=0)
    count = min(5000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)

    def comes_and_goes(count: int) -> None:
        with Crowd(hub.web, ["/channels/news/events"] * count, within_seconds=60) as crowd:
            assert Counter(crowd.first_events) == {b"subscribed": count}

    comes_and_goes(100)
    before = memory_bytes(hub.web)
    comes_and_goes(count)
    # What is left is in arenas of Python's that something long-lived has come to lie in: a crowd
    # that comes once more finds room there.
    eventually(lambda: memory_bytes(hub.web) <= 1.2 * before)
    once = memory_bytes(hub.web)
    comes_and_goes(count)
    eventually(lambda: memory_bytes(hub.web) <= 1.05 * once)


def test_listeners_beyond_the_limit_are_told_and_come_in_when_there_is_room(
    stack: StartStack,
) -> None:
    hub = stack(env={"HUB_MAX_LISTENERS": "50"}, workers=0)
    with ExitStack() as streams:
        inside = [streams.enter_context(hub.events("news")) for _ in range(50)]
        for stream in inside:
            stream.next("subscribed")
        for _ in range(200):
            with hub.events("news") as turned_away:
                event = turned_away.to_end()[0]
                assert event.event == "closing" and '"overloaded"' in event.data
                assert event.retry_ms
        refused = hub.get("/channels/news/events?overload=503")
        assert refused.status_code == 503 and refused.headers["Retry-After"]
        hub.publish("news", "for those inside")
        for stream in inside:
            assert stream.take(1)[0].data == "for those inside"
        inside[0].close()

        def comes_in() -> bool:
            with hub.events("news") as stream:
                first: str = stream.next().event
                return first == "subscribed"

        eventually(comes_in, 5)


def test_thousands_of_connections_that_come_and_go_leave_nothing_behind(
    stack: StartStack,
) -> None:
    hub = stack(workers=0)
    hub.publish("news", payload("news", 1))

    def come_and_go(times: int) -> None:
        for _ in range(times):
            with hub.events("news", query={"from": "start"}) as stream:
                stream.take(1)

    def files() -> int:
        return len(os.listdir(f"/proc/{serving(hub.web)[0]}/fd"))

    def storm(times: int) -> None:
        threads = [threading.Thread(target=come_and_go, args=(times,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    storm(60)
    before, open_before = memory_bytes(hub.web), files()
    storm(240)
    eventually(lambda: hub.get("/channels/news").json()["listeners"] == 0, 3)
    eventually(lambda: files() <= open_before + 5, 5)
    assert memory_bytes(hub.web) - before < 6 * MIB
