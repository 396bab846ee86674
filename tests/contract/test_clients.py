"""Contract §2: clients that are slow, that take nothing, that send what they should not."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.contract.conftest import Hubs
from tests.support import keys
from tests.support.deadline import eventually, patience
from tests.support.stack import Web, descendants
from tests.support.stream import EventStream

pytestmark = pytest.mark.slow

Listen = Callable[..., EventStream]
MIB = 2**20


def memory(web: Web) -> int:
    """Resident bytes of the hub's processes."""
    pages = 0
    for pid in (web.pid, *descendants(web.pid)):
        pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


def publish_many(hub: Web, channel: str, texts: list[str]) -> None:
    lines = "\n".join(json.dumps({"data": text}) for text in texts)
    headers = {"Content-Type": "application/x-ndjson"}
    assert hub.post(f"/channels/{channel}/events", data=lines, headers=headers).status_code == 201


def test_a_slow_listener_falls_behind_and_catches_up_with_the_same_bytes_at_constant_memory(
    hub: Web, channel: str, listen: Listen
) -> None:
    url = f"{hub.url}/channels/{channel}/events"
    query = {"heartbeat": 300}
    slow = [listen(url, query=query, receive_buffer=4096) for _ in range(6)]
    healthy = listen(url, query=query)
    for stream in (*slow, healthy):
        stream.next("subscribed")
    starts = [len(stream.raw) for stream in slow]
    before, at = memory(hub), len(healthy.raw)
    for number in range(20):
        publish_many(hub, channel, [f"{number} {n} " + "x" * 20_000 for n in range(20)])
        healthy.take(20)
    owed = len(slow) * (len(healthy.raw) - at)
    assert owed > 40 * MIB
    assert memory(hub) - before < owed / 2
    assert hub.get(f"/channels/{channel}").json()["listeners"] == 7
    hub.publish(channel, "the last")
    healthy.take(1)
    for stream, start in zip(slow, starts, strict=True):
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * MIB)
        stream.until_data("the last")
        assert stream.without_beats(start) == healthy.without_beats(at)
    assert memory(hub) - before < owed / 2


def test_a_slow_listener_delays_nobody_else(hub: Web, channel: str, listen: Listen) -> None:
    url = f"{hub.url}/channels/{channel}/events"
    slow = [listen(url, receive_buffer=4096) for _ in range(10)]
    healthy = listen(url)
    for stream in (*slow, healthy):
        stream.next("subscribed")
    late = []
    for _ in range(30):
        began = time.monotonic()
        hub.publish(channel, "x" * 100_000)
        healthy.take(1)
        late.append(time.monotonic() - began)
    assert sorted(late)[15] < 0.2 * patience()


def test_one_who_accepts_no_byte_at_all_is_closed_and_others_are_not(
    brief: Web, channel: str, listen: Listen
) -> None:
    url = f"{brief.url}/channels/{channel}/events"
    stalled = listen(url, receive_buffer=4096)
    healthy = listen(url)
    stalled.next("subscribed")
    healthy.next("subscribed")
    for number in range(50):
        brief.publish(channel, f"{number} " + "x" * 200_000)
        healthy.take(1)
    eventually(lambda: brief.get(f"/channels/{channel}").json()["listeners"] == 1, 5)
    assert "reason=stalled" in brief.log()
    brief.publish(channel, "still there")
    assert healthy.take(1)[0].data == "still there"
    stalled.until(lambda s: s.ended, within_seconds=10)


def test_one_who_reads_a_little_now_and_then_is_not_closed(
    way: str, hubs: Hubs, channel: str, listen: Listen
) -> None:
    # The reader must have the processor within the time, and take what the kernel holds in it: a
    # second is too short beside other tests.
    hub = hubs(way, "three seconds", HUB_LISTENER_STALL_SECONDS="3")
    stream = listen(f"{hub.url}/channels/{channel}/events", receive_buffer=65536)
    stream.next("subscribed")
    for number in range(40):
        hub.publish(channel, f"{number} " + "x" * 200_000)
        stream.feed_some(16_384)
    give_up = time.monotonic() + 5
    while time.monotonic() < give_up:
        assert stream.feed_some(16_384) > 0
        time.sleep(0.02)
    assert hub.get(f"/channels/{channel}").json()["listeners"] == 1


def test_one_who_takes_less_than_a_socket_buffer_in_the_time_is_not_closed(
    way: str, hubs: Hubs, channel: str, listen: Listen
) -> None:
    # The kernel says that a socket has room only when a good part of its buffer is free.
    hub = hubs(way, "four seconds", HUB_LISTENER_STALL_SECONDS="4")
    url = f"{hub.url}/channels/{channel}/events"
    slow, stalled = listen(url, receive_buffer=4096), listen(url, receive_buffer=4096)
    for stream in (slow, stalled):
        stream.next("subscribed")
    for number in range(40):
        hub.publish(channel, f"{number} " + "x" * 100_000)

    def one_is_left() -> bool:
        assert slow.feed_some(2048) > 0
        return bool(hub.get(f"/channels/{channel}").json()["listeners"] == 1)

    eventually(one_is_left, 20, every_seconds=0.2)
    slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * MIB)
    heard = slow.take(40, within_seconds=30)
    assert [event.data.split()[0] for event in heard] == [str(number) for number in range(40)]
    stalled.until(lambda stream: stream.ended, within_seconds=10)


def test_a_second_request_on_the_connection_never_reaches_the_stream(
    hub: Web, channel: str, listen: Listen
) -> None:
    stream = listen(f"{hub.url}/channels/{channel}/events", query={"heartbeat": 300})
    stream.next("subscribed")
    at = len(stream.raw)
    stream.socket.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
    event_id = hub.publish(channel, "x")
    stream.take(1)
    assert stream.without_beats(at) == f"id: {event_id}\ndata: x\n\n".encode()


def shown_token(path: str) -> str:
    """The lines of a request's head that show one, where the hub asks for it."""
    return "".join(f"{name}: {value}\r\n" for name, value in keys.headers({}, path).items())


def until(connection: socket.socket, wanted: bytes) -> bytes:
    """What comes, up to the bytes wanted and perhaps beyond."""
    received = b""
    while wanted not in received:
        data = connection.recv(65536)
        assert data, f"the connection ended after {received!r}"
        received += data
    return received


def test_two_requests_in_one_packet_give_one_stream(hub: Web, channel: str) -> None:
    parts = urlsplit(hub.url)
    path = f"/channels/{channel}/events?heartbeat=300"
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{shown_token(path)}\r\n"
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall((request + "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").encode())
        received = until(connection, b"subscribed")
        hub.publish(channel, "the end")
        received += until(connection, b"the end\n\n")
    assert received.count(b"HTTP/1.1 ") == 1
    assert b"status" not in received.partition(b"\r\n\r\n")[2]


def test_a_stream_may_follow_other_requests_on_its_connection(hub: Web, channel: str) -> None:
    with requests.Session() as session:
        for number in range(3):
            answer = session.post(f"{hub.url}/channels/{channel}/events", json={"data": number})
            assert answer.status_code == 201
        url = f"{hub.url}/channels/{channel}/events?from=start"
        with session.get(url, stream=True, timeout=10) as stream:
            lines = (line for line in stream.iter_lines(chunk_size=1) if b"data: " in line)
            next(lines)
            assert [next(lines) for _ in range(3)] == [b"data: 0", b"data: 1", b"data: 2"]


def test_garbage_from_a_listener_harms_nobody(hub: Web, channel: str, listen: Listen) -> None:
    url = f"{hub.url}/channels/{channel}/events"
    rude, polite = listen(url), listen(url)
    for stream in (rude, polite):
        stream.next("subscribed")
    rude.socket.sendall(bytes(range(256)) * 4)
    hub.publish(channel, "x")
    assert polite.take(1)[0].data == "x"
    assert rude.take(1)[0].data == "x"


def test_a_flood_from_a_listener_ends_its_stream_at_most(
    hub: Web, channel: str, listen: Listen
) -> None:
    url = f"{hub.url}/channels/{channel}/events"
    rude, polite = listen(url), listen(url)
    polite.next("subscribed")
    rude.next("subscribed")
    rude.socket.settimeout(2)
    try:
        for _ in range(100):
            rude.socket.sendall(b"x" * 65536)
    except OSError:
        pass
    hub.publish(channel, "x")
    assert polite.take(1)[0].data == "x"


def test_http_1_0_is_served(hub: Web, channel: str) -> None:
    parts = urlsplit(hub.url)
    hub.publish(channel, "x")
    path = f"/channels/{channel}/events?from=start"
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        head = f"GET {path} HTTP/1.0\r\n{shown_token(path)}\r\n"
        connection.sendall(head.encode())
        received = until(connection, b"data: x\n\n")
    assert b"transfer-encoding" not in received.lower()


@pytest.mark.parametrize(
    "junk", [b"\0" * 100, b"GET\r\n\r\n", b"\x16\x03\x01\x02", b"POST / x\r\n"]
)
def test_what_is_no_request_is_refused_and_the_hub_goes_on(hub: Web, junk: bytes) -> None:
    parts = urlsplit(hub.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(junk)
        connection.shutdown(socket.SHUT_WR)
        try:
            answer = connection.recv(65536)
        except ConnectionResetError:
            answer = b""
    assert answer == b"" or b" 400 " in answer.partition(b"\r\n")[0]
    assert hub.get("/healthz").status_code == 200
