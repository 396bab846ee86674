"""Hubs where no worker runs: producers are all that answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.shared import shared_stack
from tests.support.stack import Web


@pytest.fixture(scope="package")
def hub() -> Iterator[Web]:
    with shared_stack(workers=0) as shared:
        yield shared.hub.web


@pytest.fixture(scope="package")
def impatient() -> Iterator[Web]:
    with shared_stack({"HUB_LEASE_SECONDS": "1", "HUB_BODY_SECONDS": "2"}, workers=0) as shared:
        yield shared.hub.web
