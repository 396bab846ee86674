"""What comes to a connection in pieces, in heaps or in disorder is answered as HTTP has it
(RFC 9112), whoever reads it: the hub's door, or gunicorn behind it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

import pytest

from tests.access.signing import rights, token
from tests.contract.conftest import Hubs
from tests.contract.test_who_may import KEYED
from tests.support import keys
from tests.support.deadline import eventually
from tests.support.stack import Web

pytestmark = pytest.mark.slow


@pytest.fixture
def hub(hubs: Hubs) -> Web:
    return hubs("taken over", "hub")


@pytest.fixture
def raw(hub: Web) -> Iterator[socket.socket]:
    parts = urlsplit(hub.url)
    with closing(socket.create_connection((parts.hostname, parts.port), 10)) as sock:
        yield sock


def request(path: str, body: bytes, *fields: str, method: str = "POST") -> bytes:
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", *fields]
    head += [f"{name}: {value}" for name, value in keys.headers({}, path).items()]
    if method == "POST":
        head += ["Content-Type: text/plain", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "", ""]).encode() + body


def answers(sock: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """So many answers, one behind the other."""
    found = []
    stream = sock.makefile("rb")
    for _ in range(count):
        status = int(stream.readline().split()[1])
        length = 0
        while line := stream.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        found.append((status, stream.read(length)))
    return found


def stored(hub: Web, channel: str) -> list[str]:
    events = hub.get(f"/channels/{channel}/history").json()["events"]
    return [event["data"] for event in events]


def test_requests_that_come_together_are_answered_in_their_order(
    hub: Web, raw: socket.socket, channel: str
) -> None:
    path = f"/channels/{channel}/events"
    raw.sendall(b"".join(request(path, b"%d" % n) for n in range(300)))

    found = answers(raw, 300)

    assert [status for status, _ in found] == [201] * 300
    ids = [json.loads(body)["id"] for _, body in found]
    assert stored(hub, channel) == [str(n) for n in range(300)]
    assert ids == [
        event["id"] for event in hub.get(f"/channels/{channel}/history").json()["events"]
    ]


def test_a_bad_one_among_them_is_answered_in_its_place(
    hub: Web, raw: socket.socket, channel: str
) -> None:
    path = f"/channels/{channel}/events"
    kinds = [request(path, b"a"), request(f"{path}?event=gap", b"b"), request(path, b"c")]
    raw.sendall(b"".join(kinds))

    assert [status for status, _ in answers(raw, 3)] == [201, 400, 201]
    assert stored(hub, channel) == ["a", "c"]


def test_a_publish_may_come_byte_by_byte(hub: Web, raw: socket.socket, channel: str) -> None:
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in request(f"/channels/{channel}/events", b"slowly"):
        raw.sendall(bytes((byte,)))

    assert answers(raw, 1)[0][0] == 201
    assert stored(hub, channel) == ["slowly"]


@pytest.mark.parametrize("where", ["in the body", "behind the head", "in the next head"])
def test_the_next_request_is_found_wherever_the_pieces_end(
    hub: Web, raw: socket.socket, channel: str, where: str
) -> None:
    first, second = (request(f"/channels/{channel}/events", body) for body in (b"one", b"two"))
    cut = {
        "in the body": len(first) - 2,
        "behind the head": len(first) - 3,
        "in the next head": len(first) + 9,
    }[where]
    together = first + second
    raw.sendall(together[:cut])
    threading.Event().wait(0.05)  # so that the pieces are read one by one
    raw.sendall(together[cut:])

    assert [status for status, _ in answers(raw, 2)] == [201, 201]
    assert stored(hub, channel) == ["one", "two"]


def test_other_requests_and_publishes_share_a_connection(hub: Web, channel: str) -> None:
    parts = urlsplit(hub.url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=10)
    path = f"/channels/{channel}/events"

    def ask(method: str, path: str, body: bytes | None = None) -> HTTPResponse:
        headers = {"Content-Type": "text/plain", **keys.headers({}, path)}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer

    with closing(connection):
        for n in range(3):
            assert ask("POST", path, b"%d" % n).status == 201
            assert ask("GET", f"/channels/{channel}").status == 200
            assert ask("POST", f"{path}?event=gap", b"x").status == 400

    assert stored(hub, channel) == ["0", "1", "2"]


@pytest.mark.parametrize(
    "fields",
    [
        ["Content-Length: 3"], ["Content-Length: 4"], ["Transfer-Encoding: chunked"],
        ["Transfer-Encoding: identity"], ["transfer-encoding : chunked"], ["Content-Length : 9"],
    ],
    ids=str,
)  # fmt: skip
def test_a_body_of_two_lengths_is_never_two_requests(
    hub: Web, raw: socket.socket, channel: str, fields: list[str]
) -> None:
    """Whoever stands in front may have read the other length (RFC 9112 §11.2)."""
    hidden = request(f"/channels/{channel}-hidden/events", b"x")
    raw.sendall(request(f"/channels/{channel}/events", b"one" + hidden, *fields))
    raw.shutdown(socket.SHUT_WR)
    while raw.recv(65536):
        pass

    assert stored(hub, f"{channel}-hidden") == []


@pytest.mark.parametrize("length", ["", " 3", "+3", "3 ", "03", "0", "3, 3", "9999999"], ids=repr)
def test_a_head_that_was_read_before_but_for_its_length_is_read_as_if_it_were_new(
    hub: Web, channel: str, length: str
) -> None:
    parts = urlsplit(hub.url)
    known = request(f"/channels/{channel}/events", b"one")
    other = known.replace(b"Content-Length: 3", f"Content-Length: {length}".encode())
    # As new: no head with this field was read before.
    new = other.replace(b"\r\n", f"\r\nX-New: {channel}\r\n".encode(), 1)
    statuses = []
    for first, second in ((known, other), (known, new)):
        with closing(socket.create_connection((parts.hostname, parts.port), 10)) as sock:
            sock.sendall(first)
            assert answers(sock, 1)[0][0] == 201
            sock.sendall(second)
            sock.shutdown(socket.SHUT_WR)
            statuses.append(sock.makefile("rb").readline())
    assert statuses[0] == statuses[1]
    assert set(stored(hub, channel)) <= {"one", ""}


def test_who_may_no_more_is_refused_with_the_head_that_was_let_in_before(
    hubs: Hubs, channel: str
) -> None:
    web = hubs("taken over", "keyed", **KEYED)
    path, parts = f"/channels/{channel}/events", urlsplit(web.url)
    shown = token(sub="7", jti=f"j-{channel}", hub={"publish": [channel]})
    post = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
        f"Authorization: Bearer {shown}\r\nContent-Length: 3\r\n\r\none"
    ).encode()
    with closing(socket.create_connection((parts.hostname, parts.port), 10)) as sock:
        for _ in range(3):
            sock.sendall(post)
            assert answers(sock, 1)[0][0] == 201
        admin = {"Authorization": f"Bearer {token(hub=rights())}"}
        assert web.delete(f"/tokens/j-{channel}", headers=admin).status_code == 204
        sock.sendall(post)
        assert answers(sock, 1)[0][0] == 401


def test_many_publishers_at_once_are_each_answered_with_what_they_stored(
    hub: Web, channel: str
) -> None:
    parts = urlsplit(hub.url)
    told: dict[str, str] = {}

    def publish(name: str) -> None:
        with closing(socket.create_connection((parts.hostname, parts.port), 20)) as sock:
            for n in range(20):
                sock.sendall(request(f"/channels/{channel}/events", f"{name}-{n}".encode()))
                told[f"{name}-{n}"] = json.loads(answers(sock, 1)[0][1])["id"]

    threads = [threading.Thread(target=publish, args=(f"p{n}",)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    events = hub.get(f"/channels/{channel}/history").json()["events"]
    assert {event["data"]: event["id"] for event in events} == told
    assert len(told) == 320


def test_a_client_that_leaves_before_its_answer_takes_nothing_along(hub: Web, channel: str) -> None:
    parts = urlsplit(hub.url)
    for n in range(50):
        with closing(socket.create_connection((parts.hostname, parts.port), 10)) as sock:
            sock.sendall(request(f"/channels/{channel}/events", b"%d" % n))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert hub.get("/healthz").status_code == 200
    raw = hub.post(f"/channels/{channel}/events", json={"data": "last"})
    assert raw.status_code == 201
    eventually(lambda: stored(hub, channel)[-1] == "last")


def test_what_stands_behind_a_subscription_is_no_request(
    hub: Web, raw: socket.socket, channel: str
) -> None:
    path = f"/channels/{channel}/events"
    raw.sendall(request(path, b"", method="GET") + request(path, b"never"))
    assert raw.recv(12) == b"HTTP/1.1 200"
    assert hub.post(path, json={"data": "told"}).status_code == 201
    assert stored(hub, channel) == ["told"]
