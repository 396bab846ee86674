"""The example that is compiled first, which takes minutes where nothing was compiled before:
`make test-clients`."""

from __future__ import annotations

from pathlib import Path

from tests.producers.test_examples import COMPILED, says_and_pipes
from tests.support.provider import ScriptedProvider
from tests.support.stack import Web


def test_the_example_in_go_says_its_own_answer_and_pipes_a_provider_s(
    hub: Web, provider: ScriptedProvider, tmp_path: Path
) -> None:
    says_and_pipes(COMPILED["go"], hub, provider, GOCACHE=str(tmp_path / "go"))
