"""One hub, one worker, a scripted provider and the official `openai` package against them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openai import OpenAI

from tests.support import keys
from tests.support.provider import ScriptedProvider
from tests.support.shared import Shared, shared_stack
from tests.support.stack import Stack


@pytest.fixture(scope="package")
def shared() -> Iterator[Shared]:
    with shared_stack() as shared:
        yield shared


@pytest.fixture
def hub(shared: Shared) -> Stack:
    shared.reset()
    return shared.hub


@pytest.fixture
def provider(hub: Stack, shared: Shared) -> ScriptedProvider:
    return shared.provider


@pytest.fixture
def client(hub: Stack) -> Iterator[OpenAI]:
    with OpenAI(
        base_url=f"{hub.url}/v1", api_key=keys.TOKEN or "no key is asked", max_retries=0, timeout=30
    ) as client:
        yield client
