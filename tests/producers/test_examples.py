"""The examples of producers, each run by the real tool: an answer of its own, and one piped."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.support.deadline import patience
from tests.support.provider import Script, ScriptedProvider
from tests.support.real import ROOT, missing
from tests.support.stack import Web, clean_environ

INTERPRETED = {
    "curl": "sh examples/producers/curl.sh",
    "node": "node examples/producers/node.mjs",
}
COMPILED = {"go": "go run examples/producers/producer.go"}
DELTAS = ["As ", "piped", " through.\n", "🌊"]


@pytest.mark.slow
@pytest.mark.parametrize("tool", INTERPRETED)
def test_the_example_says_its_own_answer_and_pipes_a_provider_s(
    hub: Web, provider: ScriptedProvider, tool: str
) -> None:
    if shutil.which(tool) is None:
        missing(tool)
    says_and_pipes(INTERPRETED[tool], hub, provider)


def says_and_pipes(command: str, hub: Web, provider: ScriptedProvider, **settings: str) -> None:
    question = 'What does "salt" mean?'
    provider.scripts[question] = Script(deltas=DELTAS)
    env = {**clean_environ(), "HUB_URL": hub.url, **settings}
    piping = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "a-key-of-the-tests"}

    for more, text in (({}, "The sea is salty."), (piping, "".join(DELTAS))):
        done = subprocess.run(
            [*command.split(), question],
            env={**env, **more},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120 * patience(),
        )
        assert done.returncode == 0, done.stderr
        page = done.stdout.splitlines()[0]
        assert page.startswith(f"{hub.url}/g/")
        record = hub.generation(page.rpartition("/")[2])
        assert record["status"] == "completed"
        assert record["choices"][0]["content"].rstrip(" ") == text
        assert record["question"] == question


def test_the_docs_name_every_command() -> None:
    page = (ROOT / "docs" / "producers.md").read_text()
    assert all(command in page for command in (INTERPRETED | COMPILED).values())
