"""Timeouts for the first delta and for a stall: nothing but payload counts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.provider.conftest import QUESTION
from tests.provider.reading import DONE, chunk, join
from tests.provider.replay import ReplayServer, Reply
from workers.provider import ProviderConfig, ProviderFailure, Providers

Asking = Callable[..., Providers]

ROLE = chunk({"role": "assistant", "content": ""}).encode()
TEXT = chunk({"content": "x"}).encode()


def failure_of(parts: Iterator[object]) -> ProviderFailure:
    with pytest.raises(ProviderFailure) as caught:
        for _ in parts:
            pass
    return caught.value


@pytest.mark.parametrize(
    "reply",
    [
        Reply(hold_headers=True),
        Reply(hold=True),
        Reply([ROLE], hold=True),
        Reply([b": keep-alive\n\n"], hold=True),
        Reply([TEXT[:-5]], hold=True),
    ],
    ids=["no headers", "no body", "only a role", "only a comment", "half a delta"],
)
def test_an_answer_that_does_not_begin_ends_with_first_delta_timeout(
    server: ReplayServer, asking: Asking, reply: Reply
) -> None:
    server.replies = [reply]
    stream = asking(first_delta_timeout_seconds=0.1).open(QUESTION)
    failure = failure_of(iter(stream))
    assert (failure.code, failure.retryable) == ("first-delta-timeout", True)
    assert stream.tries == 1, "a reader who waited once is not made to wait four times"
    assert server.left.wait(15)


@pytest.mark.parametrize("rest", [b"", b": keep-alive\n\n", TEXT[:-5]])
def test_an_answer_that_stops_ends_with_stall_timeout(
    server: ReplayServer, asking: Asking, rest: bytes
) -> None:
    server.replies = [Reply([TEXT, rest], hold=True)]
    began = time.monotonic()
    failure = failure_of(iter(asking(stall_timeout_seconds=0.1).open(QUESTION)))
    assert (failure.code, failure.retryable) == ("stall-timeout", True)
    assert time.monotonic() - began < 15
    assert server.left.wait(15)


def in_chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.mark.parametrize(
    ("before", "code"), [(ROLE, "first-delta-timeout"), (TEXT, "stall-timeout")]
)
@pytest.mark.parametrize(
    "noise",
    [b": OPENROUTER PROCESSING\n\n", b"data: {}\n\n", b"\n", b"data:\n", b": flood\n" * 20_000],
    ids=["comment", "empty chunk", "line end", "data without an end", "flood"],
)
def test_noise_is_not_payload_however_long_it_goes_on(
    server: ReplayServer, asking: Asking, before: bytes, code: str, noise: bytes
) -> None:
    """Each re-arms the socket's own timeout, so only the clock can tell."""
    server.replies = [Reply([before], drip=in_chunk(noise))]
    providers = asking(first_delta_timeout_seconds=0.2, stall_timeout_seconds=0.2)
    assert failure_of(iter(providers.open(QUESTION))).code == code
    assert server.left.wait(15)


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("said", "drip", "code"),
    [
        (b"", b"H", "first-delta-timeout"),
        (HEAD + b"X: ", b"x", "first-delta-timeout"),
        (CONTINUE * 20, CONTINUE, "provider-unavailable"),
        (HEAD + b"\r\n", b"0", "first-delta-timeout"),
        (HEAD + b"\r\n" + in_chunk(TEXT), b"0", "stall-timeout"),
        (HEAD + b"\r\n" + in_chunk(TEXT) + b"0\r\n", b"X: y\r\n", "stall-timeout"),
    ],
    ids=["status line", "header", "100 Continue", "chunk size", "a later one", "trailers"],
)
def test_what_drips_byte_by_byte_does_not_outlive_its_deadline(
    server: ReplayServer, asking: Asking, said: bytes, drip: bytes, code: str
) -> None:
    server.replies = [Reply([said], framing="raw", drip=drip) for _ in range(4)]
    providers = asking(
        first_delta_timeout_seconds=0.2, stall_timeout_seconds=0.2, wait=lambda *_: None
    )
    assert failure_of(iter(providers.open(QUESTION))).code == code
    assert server.left.wait(15)


def test_an_answer_that_is_whole_does_not_wait_for_what_drips_behind_it(
    server: ReplayServer, asking: Asking
) -> None:
    said = HEAD + b"\r\n" + in_chunk(TEXT + DONE.encode()) + b"0\r\n"
    server.replies = [Reply([said], framing="raw", drip=b"X: y\r\n")]
    began = time.monotonic()
    assert join(asking().open(QUESTION)).text == "x"
    assert time.monotonic() - began < 10, "the deadlines are a minute each"
    assert server.left.wait(15)


def test_a_consumer_that_takes_its_time_is_not_a_stall(
    server: ReplayServer, asking: Asking
) -> None:
    second, third = threading.Event(), threading.Event()
    end = (chunk({}, "stop") + DONE).encode()
    server.replies = [Reply([TEXT, second, TEXT, third, TEXT + end])]
    parts = iter(asking(stall_timeout_seconds=1).open(QUESTION))
    next(parts)
    next(parts)
    second.set()
    next(parts)  # from the first delta on it is the stall that counts
    time.sleep(1.5)  # Redis was away, for longer than a stall may take
    third.set()
    assert len(list(parts)) == 2


def test_an_answer_that_said_how_it_ended_and_then_nothing_is_complete(
    server: ReplayServer, asking: Asking
) -> None:
    server.replies = [Reply([TEXT, chunk({}, "stop").encode()], hold=True)]
    answer = join(asking(stall_timeout_seconds=0.1).open(QUESTION))
    assert (answer.text, answer.finish) == ("x", "stop")


def test_after_a_timeout_the_next_provider_is_asked(server: ReplayServer, asking: Asking) -> None:
    server.replies = [Reply(hold_headers=True), Reply([TEXT, DONE.encode()])]
    configs = [ProviderConfig(name, server.base_url) for name in ("slow", "quick")]
    stream = asking(configs=configs, first_delta_timeout_seconds=1.0).open(QUESTION)
    assert join(stream).text == "x"
    assert stream.provider == "quick"
