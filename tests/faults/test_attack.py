"""A few seconds of random tokens, names, hosts and origins at a hub with keys; `make attack` goes
on for longer."""

from __future__ import annotations

import pytest

from tests.conftest import StartStack
from tests.faults.attack.__main__ import SETTINGS, attack
from tests.support.provider import ScriptedProvider

pytestmark = [pytest.mark.slow, pytest.mark.sets_keys]


def test_nobody_gets_past_the_keys_whatever_is_shown_and_however_a_name_is_spelled(
    stack: StartStack, provider: ScriptedProvider
) -> None:
    run = attack(stack(SETTINGS), provider, 5, seed=1)
    assert run.wrong == []
    assert run.answers[200] > 20
    assert run.answers[401] > 20
    assert run.answers[403] + run.answers[404] > 20
