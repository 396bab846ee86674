"""A few seconds of random requests at every route; `make fuzz` goes on for longer."""

from __future__ import annotations

import pytest

from tests.conftest import StartStack
from tests.faults.fuzz.__main__ import fuzz


@pytest.mark.slow
def test_random_requests_at_every_route_are_answered_and_listeners_hear_everything(
    stack: StartStack,
) -> None:
    run = fuzz(stack({"HUB_BODY_SECONDS": "2", "HUB_RUNNING_GENERATIONS": "0"}), 5, seed=1)
    assert run.wrong == []
    assert run.answers[200] and run.answers[400]
