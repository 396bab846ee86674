"""One hub, one worker, a scripted provider and the official `openai` package against them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openai import OpenAI

from tests.support import keys
from tests.support.shared import Shared, shared_stack
from tests.support.shared import hub as hub
from tests.support.shared import provider as provider
from tests.support.stack import Stack


@pytest.fixture(scope="session")
def shared() -> Iterator[Shared]:
    """One for the session: files of other folders run between those of this one, and a package's
    would be started again after each of them."""
    with shared_stack() as shared:
        yield shared


@pytest.fixture
def client(hub: Stack) -> Iterator[OpenAI]:
    with OpenAI(
        base_url=f"{hub.url}/v1", api_key=keys.TOKEN or "no key is asked", max_retries=0, timeout=30
    ) as client:
        yield client
