"""Against the bundled model: llama.cpp's own server, and no pretence."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import requests

from hub.settings import Settings
from tests.provider.reading import join
from tests.support.deadline import eventually
from tests.support.process import Process
from tests.support.stack import LocalModel
from workers.provider import Delta, ModelRequest, ProviderFailure, Providers

pytestmark = pytest.mark.model


def asking(model: LocalModel) -> Providers:
    return Providers.from_settings(Settings(openai_base_url=model.base_url), {})


def question(text: str, **options: object) -> ModelRequest:
    return ModelRequest(
        messages=[{"role": "user", "content": text}],
        **{"temperature": 0.0, "max_tokens": 24, **options},  # type: ignore[arg-type]
    )


def test_its_first_model_is_found_and_answers_with_usage(local_model: LocalModel) -> None:
    answer = join(asking(local_model).open(question("Say hello.")))
    assert answer.text
    assert answer.model
    assert answer.finish in ("stop", "length")
    assert answer.usage is not None
    counted = answer.usage.to_json()
    assert counted["total_tokens"] == counted["prompt_tokens"] + counted["completion_tokens"]


def test_the_key_that_it_makes_is_its_owner_s_and_another_at_each_start(
    tmp_path: Path, processes: list[Process]
) -> None:
    file, seen = tmp_path / "key", set()
    for number in range(2):
        model = LocalModel(tmp_path / f"model{number}.log", {"HUBBUB_MODEL_KEY_FILE": str(file)})
        processes.append(model)
        model.start()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        seen.add(file.read_text())
        known = Settings(local_model_url=model.base_url, local_model_key_file=str(file))
        assert join(Providers.from_settings(known, {}).open(question("Say hello."))).text
        with pytest.raises(ProviderFailure) as refused:
            join(asking(model).open(question("Say hello.")))
        assert refused.value.code == "provider-auth"
        model.end()
    assert len(seen) == 2


def test_several_choices_are_kept_apart(local_model: LocalModel) -> None:
    answer = join(asking(local_model).open(question("Say hello.", n=2)))
    assert sorted(answer.choices) == [0, 1]
    assert all(choice.content and choice.finish for choice in answer.choices.values())


def test_logprobs_come_with_their_pieces(local_model: LocalModel) -> None:
    answer = join(asking(local_model).open(question("Say hello.", extra={"logprobs": True})))
    assert answer.logprobs


def test_a_prompt_beyond_its_context_is_too_long(local_model: LocalModel) -> None:
    with pytest.raises(ProviderFailure) as caught:
        join(asking(local_model).open(question("word " * 20_000)))
    assert (caught.value.code, caught.value.retryable) == ("context-too-long", False)


def test_closing_the_stream_stops_the_model(local_model: LocalModel) -> None:
    request = question("Count from one to ten thousand.", max_tokens=2000, temperature=1.0)
    slots_url = f"{local_model.base_url.removesuffix('/v1')}/slots"

    def busy() -> bool:
        slots = requests.get(slots_url, timeout=5).json()
        return any(slot["is_processing"] for slot in slots)

    with asking(local_model).open(request) as stream:
        assert any(isinstance(part, Delta) for part in stream)
        assert busy()
    # The connection is gone at once (test_closing.py); the model looks up between two tokens.
    eventually(lambda: not busy(), 3)
