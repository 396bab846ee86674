"""Providers that read from a replaying server, or from bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from hub.settings import Settings
from tests.provider.reading import Read, feed, join
from tests.provider.replay import ReplayServer, Reply
from workers.provider import ModelRequest, ProviderConfig, ProviderFailure, Providers

QUESTION = ModelRequest(messages=[{"role": "user", "content": "?"}], model="m1")


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    server = ReplayServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def shared_server() -> Iterator[ReplayServer]:
    """For tests that ask it once and leave nothing behind."""
    server = ReplayServer()
    yield server
    server.close()


@pytest.fixture
def asking(server: ReplayServer) -> Callable[..., Providers]:
    """`asking(first_delta_timeout_seconds=…, clock=…)`: providers that ask this test's server."""

    def make(*, configs: Any = None, **options: Any) -> Providers:
        passed = {
            name: options.pop(name)
            for name in ("clock", "now", "chance", "wait")
            if name in options
        }
        configs = configs or [ProviderConfig("here", server.base_url)]
        return Providers(configs, replace(Settings(), **options), **passed)

    return make


Reader = Callable[..., Read]


@pytest.fixture
def read(shared_server: ReplayServer) -> Reader:
    """`read(body, n=1)`: what a body says, the same however it is cut, framed and sent.

    Read at once, byte by byte, cut in two at every border, and over HTTP with each framing. All
    must agree, also where they raise.
    """
    providers = Providers([ProviderConfig("here", shared_server.base_url)], Settings())

    def by_http(body: bytes, n: int, framing: str) -> Read:
        step = max(1, len(body) // 7)
        pieces = [body[at : at + step] for at in range(0, len(body), step)]
        shared_server.replies[:] = [Reply(pieces, framing=framing)]
        request = replace(QUESTION, n=n)
        with providers.open(request) as stream:
            return join(stream)

    def outcome(attempt: Callable[[], Read]) -> Read | tuple[str, str]:
        try:
            return attempt()
        except ProviderFailure as error:
            return error.code, error.detail

    def read(body: str | bytes, n: int = 1) -> Read:
        data = body.encode() if isinstance(body, str) else body
        whole = outcome(lambda: feed([data], n))
        bytewise = outcome(lambda: feed([data[at : at + 1] for at in range(len(data))], n))
        assert bytewise == whole, "read byte by byte it says something else"
        for border in range(1, len(data)):
            halves = outcome(lambda at=border: feed([data[:at], data[at:]], n))  # type: ignore[misc]
            assert halves == whole, f"cut at byte {border} it says something else"
        if isinstance(whole, tuple):
            return feed([data], n)
        for framing in ("chunked", "close", "length"):
            assert by_http(data, n, framing) == whole, f"sent {framing} it says something else"
        return whole

    return read
