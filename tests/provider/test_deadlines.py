"""Timeouts for the first delta and for a stall: nothing but payload counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.provider.conftest import QUESTION
from tests.provider.reading import DONE, chunk, join
from tests.provider.replay import ReplayServer, Reply
from workers.provider import ProviderConfig, ProviderFailure, Providers

Asking = Callable[..., Providers]

ROLE = chunk({"role": "assistant", "content": ""}).encode()
TEXT = chunk({"content": "x"}).encode()


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


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
    assert server.left.wait(5)


@pytest.mark.parametrize("rest", [b"", b": keep-alive\n\n", TEXT[:-5]])
def test_an_answer_that_stops_ends_with_stall_timeout(
    server: ReplayServer, asking: Asking, rest: bytes
) -> None:
    server.replies = [Reply([TEXT, rest], hold=True)]
    failure = failure_of(iter(asking(stall_timeout_seconds=0.1).open(QUESTION)))
    assert (failure.code, failure.retryable) == ("stall-timeout", True)
    assert server.left.wait(5)


@pytest.mark.parametrize(
    ("before", "code"), [(ROLE, "first-delta-timeout"), (TEXT, "stall-timeout")]
)
@pytest.mark.parametrize("noise", [b": OPENROUTER PROCESSING\n\n", b"data: {}\n\n", b"\n"])
def test_comments_and_keep_alives_are_not_payload(
    server: ReplayServer, asking: Asking, before: bytes, code: str, noise: bytes
) -> None:
    """Each re-arms the socket's own timeout, so only the clock can tell."""
    gates = [threading.Event() for _ in range(8)]
    seconds = 100.0

    def clock() -> float:
        """At each look another 25 s are gone, and the provider says something."""
        nonlocal seconds
        seconds += 25
        next((gate for gate in gates if not gate.is_set()), gates[0]).set()
        return seconds

    noises = [piece for gate in gates for piece in (gate, noise)]
    server.replies = [Reply([before, *noises], hold=True)]
    assert failure_of(iter(asking(clock=clock).open(QUESTION))).code == code
    assert not all(gate.is_set() for gate in gates), "it went on for as long as there was noise"


def test_a_consumer_that_takes_its_time_is_not_a_stall(
    server: ReplayServer, asking: Asking
) -> None:
    clock = Clock()
    gate = threading.Event()
    end = (chunk({}, "stop") + DONE).encode()
    server.replies = [Reply([TEXT, gate, b": x\n\n" + TEXT, end])]
    parts = iter(asking(clock=clock).open(QUESTION))
    next(parts)
    next(parts)
    clock.seconds += 1000  # Redis was away
    gate.set()
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
    stream = asking(configs=configs, first_delta_timeout_seconds=0.1).open(QUESTION)
    assert join(stream).text == "x"
    assert stream.provider == "quick"
