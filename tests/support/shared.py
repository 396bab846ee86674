"""One hub for many tests, where starting one for each would take longer than the tests.

It has a Valkey of its own: the session's is emptied at each test.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
def shared_stack(env: Mapping[str, str] | None = None) -> Iterator[Shared]:
    directory = Path(tempfile.mkdtemp(prefix="hub-"))
    valkey = Valkey(directory / "valkey").start()
    provider = ScriptedProvider()
    settings = {
        "REDIS_URL": valkey.url,
        "OPENAI_BASE_URL": provider.base_url,
        "OPENAI_API_KEY": "a-key-of-the-tests",
        **(env or {}),
    }
    hub = Stack(directory, settings)
    try:
        yield Shared(hub.start(), provider, valkey)
    finally:
        hub.end()
        provider.close()
        valkey.end()
        shutil.rmtree(directory)
