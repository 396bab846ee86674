"""`close` from another greenlet or thread: the provider is rid of the connection within 0.5 s.

These run twice: in threads here, and in greenlets by test_under_gevent.py.
"""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.provider.conftest import QUESTION
from tests.provider.reading import DONE, chunk, join
from tests.provider.replay import ReplayServer, Reply
from tests.support.deadline import eventually
from tests.support.real import missing
from workers.provider import Delta, Part, ProviderConfig, ProviderFailure, Providers, Stream

Asking = Callable[..., Providers]

PROMPTLY_SECONDS = 0.5
TEXT = chunk({"content": "x"}).encode()
GOOD = Reply([TEXT, (chunk({}, "stop") + DONE).encode()])


class Reading(threading.Thread):
    """Iterates a stream as a generation's greenlet does."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(daemon=True)
        self.stream = stream
        self.parts: list[Part] = []
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.parts.extend(self.stream)
        except BaseException as error:
            self.error = error

    def ended_quietly(self) -> bool:
        self.join(PROMPTLY_SECONDS)
        return not self.is_alive() and self.error is None


@pytest.mark.parametrize(
    "reply",
    [
        Reply(hold_headers=True),
        Reply(hold=True),
        Reply([TEXT], hold=True),
        Reply([TEXT], hold=True, framing="close"),
        Reply([b": keep-alive\n\n"], hold=True),
        Reply([b"slow"], 400, hold=True),
    ],
    ids=["no headers", "no body", "mid-answer", "close-delimited", "comments", "an error's body"],
)
def test_closing_cuts_the_connection_whatever_is_being_waited_for(
    server: ReplayServer, asking: Asking, reply: Reply
) -> None:
    server.replies = [reply]
    reading = Reading(asking().open(QUESTION))
    assert server.holding.wait(5)
    if TEXT in reply.pieces:
        eventually(lambda: server.asked)
    reading.stream.close()
    assert server.left.wait(PROMPTLY_SECONDS), "the provider still has its connection"
    assert reading.ended_quietly()
    assert reading.stream.closed


def test_closing_reaches_the_provider_while_nobody_reads(
    server: ReplayServer, asking: Asking
) -> None:
    """The generation's greenlet may be busy with Redis."""
    server.replies = [Reply([TEXT], hold=True)]
    stream = asking().open(QUESTION)
    parts = iter(stream)
    next(parts)
    stream.close()
    assert server.left.wait(PROMPTLY_SECONDS)
    assert list(parts) == []


def test_closing_ends_a_pause_between_tries(server: ReplayServer, asking: Asking) -> None:
    server.replies = [Reply(status=503, headers={"Retry-After": "30"}, framing="length")]
    reading = Reading(asking().open(QUESTION))
    eventually(lambda: server.asked)
    reading.stream.close()
    assert reading.ended_quietly()
    assert len(server.asked) == 1


def test_a_stream_closed_before_it_began_asks_nobody(server: ReplayServer, asking: Asking) -> None:
    stream = asking().open(QUESTION)
    stream.close()
    stream.close()
    assert list(stream) == []
    assert server.asked == []


def test_leaving_the_stream_s_block_early_closes_it(server: ReplayServer, asking: Asking) -> None:
    server.replies = [Reply([TEXT], hold=True)]
    with asking().open(QUESTION) as stream:
        assert any(isinstance(part, Delta) for part in stream)
    assert server.left.wait(PROMPTLY_SECONDS)


def test_the_connection_of_an_answer_read_to_its_end_serves_the_next(
    server: ReplayServer, asking: Asking
) -> None:
    server.replies = [GOOD, GOOD, Reply(status=400, framing="length"), GOOD]
    providers = asking()
    for _ in range(2):
        assert join(providers.open(QUESTION)).text == "x"
    with pytest.raises(ProviderFailure):
        join(providers.open(QUESTION))
    assert join(providers.open(QUESTION)).text == "x"
    assert {asked.connection for asked in server.asked[:3]} == {1}


def test_closing_a_stream_that_is_over_leaves_its_old_connection_to_the_next(
    server: ReplayServer, asking: Asking
) -> None:
    gate = threading.Event()
    rest = (chunk({"content": "y"}, "stop") + DONE).encode()
    server.replies = [GOOD, Reply([TEXT, gate, rest])]
    providers = asking()
    over = providers.open(QUESTION)
    join(over)
    stream = providers.open(QUESTION)
    parts = iter(stream)
    read = [next(parts), next(parts)]
    over.close()
    gate.set()
    assert join([*read, *parts]).text == "xy"
    assert {asked.connection for asked in server.asked} == {1}


def test_many_streams_at_once_are_kept_apart(server: ReplayServer, asking: Asking) -> None:
    gate = threading.Event()
    end = (chunk({"content": "y"}, "stop") + DONE).encode()
    server.replies = [Reply([TEXT, gate, end]) for _ in range(30)]
    providers = asking()
    readings = [Reading(providers.open(QUESTION)) for _ in range(30)]
    eventually(lambda: len(server.asked) == 30)
    for reading in readings[::2]:
        reading.stream.close()
    gate.set()
    for reading in readings:
        reading.join(5)
        assert reading.error is None
    assert all(join(reading.parts).text == "xy" for reading in readings[1::2])


@pytest.fixture
def tls_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReplayServer]:
    if shutil.which("openssl") is None:
        missing("openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-addext", "keyUsage=critical,digitalSignature,keyCertSign",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    server = ReplayServer(context)
    yield server
    server.close()


@pytest.mark.parametrize("reply", [Reply(hold_headers=True), Reply([TEXT], hold=True)])
def test_closing_cuts_a_tls_connection_too(
    tls_server: ReplayServer, asking: Asking, reply: Reply
) -> None:
    config = ProviderConfig("safe", tls_server.base_url)
    providers = asking(configs=[config])
    tls_server.replies = [GOOD, reply]
    assert join(providers.open(QUESTION)).text == "x"
    reading = Reading(providers.open(QUESTION))
    assert tls_server.holding.wait(5)
    reading.stream.close()
    assert tls_server.left.wait(PROMPTLY_SECONDS)
    assert reading.ended_quietly()


def test_a_certificate_that_is_not_trusted_is_a_failure_and_no_reason_to_try_again(
    tls_server: ReplayServer, asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    stream = asking(configs=[ProviderConfig("safe", tls_server.base_url)]).open(QUESTION)
    with pytest.raises(ProviderFailure) as caught:
        join(stream)
    assert (caught.value.code, caught.value.retryable) == ("provider-unavailable", False)
    assert "certificate verify failed" in caught.value.detail
    assert stream.tries == 1
