"""One hub for many tests, where starting one for each would take longer than the tests.

It has a Valkey of its own: the session's is emptied at each test. A conftest or a module that has a
fixture `shared` imports the fixtures `hub` and `provider` from here.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.provider import ScriptedProvider
from tests.support.stack import Stack
from tests.support.valkey import Valkey


@dataclass
class Shared:
    hub: Stack
    provider: ScriptedProvider
    valkey: Valkey

    def reset(self) -> None:
        """Before each test: no scripts, no requests seen. Generations of others stay listed."""
        self.provider.scripts.clear()
        self.provider.default = None
        self.provider.requests.clear()
        self.provider.request_headers.clear()
        self.provider.abandoned = 0


@contextmanager
def shared_stack(env: Mapping[str, str] | None = None, *, workers: int = 1) -> Iterator[Shared]:
    directory = Path(tempfile.mkdtemp(prefix="hub-"))
    valkey = Valkey(directory / "valkey").start()
    provider = ScriptedProvider()
    settings = {
        "REDIS_URL": valkey.url,
        "OPENAI_BASE_URL": provider.base_url,
        "OPENAI_API_KEY": "a-key-of-the-tests",
        **(env or {}),
    }
    hub = Stack(directory, settings, workers=workers)
    try:
        yield Shared(hub.start(), provider, valkey)
    finally:
        hub.end()
        provider.close()
        valkey.end()
        shutil.rmtree(directory)


@pytest.fixture
def provider(shared: Shared) -> ScriptedProvider:
    shared.reset()
    return shared.provider


@pytest.fixture
def hub(shared: Shared, provider: ScriptedProvider) -> Stack:
    """It goes on behind the test, and has seen others: names of channels are this test's own."""
    return shared.hub
