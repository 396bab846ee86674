"""Contract §1: bodies that do not come, are broken, packed, too deep; and who waits beside them."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.contract.conftest import started
from tests.support.deadline import eventually, patience
from tests.support.process import Process
from tests.support.stack import Web
from tests.support.valkey import Valkey

# What is judged before anybody asks who it is.
pytestmark = [pytest.mark.sets_keys, pytest.mark.slow]

JSON = "Content-Type: application/json\r\n"
CHUNKED = f"{JSON}Transfer-Encoding: chunked\r\n"


class Raw:
    """Connections that say exactly what a test has them say."""

    def __init__(self) -> None:
        self._open: list[socket.socket] = []

    def connect(self, hub: Web, said: bytes = b"", address: str = "127.0.0.1") -> socket.socket:
        parts = urlsplit(hub.url)
        assert parts.hostname
        assert parts.port
        sock = socket.create_connection((parts.hostname, parts.port), 20, (address, 0))
        self._open.append(sock)
        sock.sendall(said)
        return sock

    def close(self) -> None:
        for sock in self._open:
            sock.close()
        self._open = []


@pytest.fixture
def raw() -> Iterator[Raw]:
    raw = Raw()
    yield raw
    raw.close()


def head(path: str, headers: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode()


def answer(sock: socket.socket) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON of the one answer on it."""
    stream = sock.makefile("rb")
    status = int(stream.readline().split()[1])
    headers = {}
    while line := stream.readline().strip():
        name, _, value = line.decode().partition(": ")
        headers[name.lower()] = value
    return status, headers, json.loads(stream.read(int(headers["content-length"])))


@pytest.fixture
def impatient(way: str, hubs: Any) -> Web:
    web: Web = hubs(way, "impatient", HUB_BODY_SECONDS="1")
    return web


PATHS = ("/channels/news/events", "/generations", "/v1/chat/completions", "/v1/responses")


@pytest.mark.parametrize("path", PATHS)
def test_a_packed_body_is_415_in_the_shape_of_its_address(hub: Web, path: str) -> None:
    body = gzip.compress(b'{"data":1,"prompt":"x"}')
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    answered = hub.post(path, data=body, headers=headers)
    assert answered.status_code == 415
    told = answered.json()
    code = told["error"]["code"] if path.startswith("/v1") else told["code"]
    assert code == "unsupported-content-encoding"
    identity = {**headers, "Content-Encoding": "identity"}
    assert hub.post(path, data=b"[]", headers=identity).status_code == 400


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("sent", [b"", b"{", b"1\r\n{\r\n"], ids=["nothing", "a byte", "a chunk"])
def test_a_body_that_does_not_come_is_408(impatient: Web, raw: Raw, path: str, sent: bytes) -> None:
    headers = CHUNKED if b"\n" in sent else f"{JSON}Content-Length: 100\r\n"
    status, _, told = answer(raw.connect(impatient, head(path, headers) + sent))
    assert status == 408
    assert told.get("error", told)["code"] == "body-timeout"


@pytest.mark.parametrize("way", ["taken over"])  # another server closes as it likes
@pytest.mark.parametrize("path", PATHS)
def test_an_answer_behind_which_the_connection_ends_says_so(
    impatient: Web, raw: Raw, path: str
) -> None:
    sock = raw.connect(impatient, head(path, f"{JSON}Content-Length: 100\r\n"))
    status, headers, _ = answer(sock)
    assert (status, headers["connection"]) == (408, "close")


def test_bytes_that_drip_do_not_put_the_deadline_off(impatient: Web, raw: Raw) -> None:
    sock = raw.connect(impatient, head("/generations", f"{JSON}Content-Length: 1000\r\n"))
    sock.settimeout(0.1)
    began = time.monotonic()
    while time.monotonic() - began < 15:
        sock.sendall(b" ")
        try:
            assert sock.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 408"
            break
        except TimeoutError:
            pass
    assert time.monotonic() - began < 10 * patience()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body",
    [b"zz\r\n{}\r\n0\r\n\r\n", b"-1\r\n", b"\r\n", b"2\r\n{}0\r\n\r\n", b"5\r\n{}", b"2\r\n{}\r\n"],
    ids=["size", "negative", "no size", "no CRLF", "broken off", "no last chunk"],
)
def test_a_broken_chunk_is_400_and_leaves_no_traceback(
    hub: Web, raw: Raw, path: str, body: bytes
) -> None:
    sock = raw.connect(hub, head(path, CHUNKED) + body)
    sock.shutdown(socket.SHUT_WR)
    status, _, told = answer(sock)
    assert status == 400
    assert told.get("error", told)["code"] in ("broken-body", "bad-request", "invalid-json")
    assert "Traceback" not in hub.log()


@pytest.mark.parametrize("path", PATHS)
def test_a_body_that_ends_before_its_length_is_400(hub: Web, raw: Raw, path: str) -> None:
    sock = raw.connect(hub, head(path, f"{JSON}Content-Length: 100\r\n") + b'{"prompt":')
    sock.shutdown(socket.SHUT_WR)
    status, _, told = answer(sock)
    assert status == 400
    assert told.get("error", told)["code"] == "broken-body"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n", 400),
        (b"GET /%s HTTP/1.1\r\n\r\n" % (b"x" * 10_000), 414),
        (b"GET / HTTP/1.1\r\nX: %s\r\n\r\n" % (b"x" * 100_000), 431),
        (head("/generations", f"{JSON}Transfer-Encoding: gzip\r\n"), 400),
        (head("/generations", f"{JSON}Content-Length: -5\r\n"), 400),
        (head("/generations", f"{JSON}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400),
    ],
)
def test_what_is_no_request_of_http_is_a_4xx_and_leaves_no_traceback(
    hubs: Any, raw: Raw, said: bytes, status: int
) -> None:
    hub: Web = hubs("taken over", "hub")
    found, headers, told = answer(raw.connect(hub, said))
    assert (found, told["status"]) == (status, status)
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-content-type-options"] == "nosniff"
    assert "Traceback" not in hub.log()


@pytest.mark.slow
@pytest.mark.parametrize("body", [False, True], ids=["no request", "no body"])
def test_two_thousand_who_send_no_request_or_no_body_keep_nobody_out(
    valkey: Valkey, tmp_path: Path, processes: list[Process], raw: Raw, body: bool
) -> None:
    """With our gunicorn worker; other servers have limits of their own."""
    limits = {"HUB_MAX_LISTENERS": "50", "HUB_MAX_WAITING": "200"}
    web = started("taken over", tmp_path / "web.log", valkey.url, **limits)
    processes.append(web)
    said = head("/generations", f"{JSON}Content-Length: 100\r\n") + b"{" if body else b""
    listening = requests.get(f"{web.url}/channels/news/events", stream=True, timeout=20)
    for _ in range(2000):
        raw.connect(web, said)
    for address in ("127.0.0.1", "127.0.0.2"):
        sock = raw.connect(web, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", address)
        assert answer(sock)[0] == 200
    assert web.publish("news", "heard") is not None
    lines = listening.iter_lines(chunk_size=1)
    assert any(line == b"data: heard" for line in lines)
    listening.close()

    def waiting() -> bool:
        figures = web.get("/metrics").text.splitlines()
        (line,) = [line for line in figures if line.startswith("hubbub_waiting ")]
        return float(line.split()[1]) <= 200

    eventually(waiting)
    assert "Traceback" not in web.log()
