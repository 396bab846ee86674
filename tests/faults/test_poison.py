"""One generation's poison is that generation's trouble: at its first attempt, in words, and every
reader of its record reads it. The next generation is answered as if nothing had been.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.provider import MODEL, Script
from tests.support.shared import Shared, shared_stack

HALF = "a\ud83d"
DONE = "[DONE]"
PRICES = {MODEL: {"prompt": 1, "completion": 1}}


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    with shared_stack({"HUB_PRICES": json.dumps(PRICES), "HUB_GENERATIONS_PER_MINUTE": "0"}) as one:
        yield one


def chunk(delta: dict[str, Any], finish: str | None = None, **choice: Any) -> dict[str, Any]:
    around = choice.pop("around", {})
    one = {"index": 0, "delta": delta, "finish_reason": finish, **choice}
    return {"id": "x", "model": MODEL, "choices": [one], **around}


def call(**members: Any) -> dict[str, Any]:
    function = {"name": "f", "arguments": "{}"}
    whole = {"index": 0, "id": "a", "type": "function", "function": function, **members}
    return {"tool_calls": [whole]}


def token(text: str) -> dict[str, Any]:
    return {"content": [{"token": text, "logprob": -1}]}


TEXT, END = {"content": "x"}, [chunk({}, "stop"), DONE]
MENDED: dict[str, list[Any]] = {
    "content": [chunk({"content": HALF}), *END],
    "id": [chunk(call(id=HALF)), *END],
    "arguments": [chunk(call(function={"name": "f", "arguments": HALF})), *END],
    "model": [chunk(TEXT, around={"model": HALF}), *END],
    "finish reason": [chunk(TEXT, HALF), DONE],
    "logprobs": [chunk(TEXT, logprobs=token(HALF)), *END],
    "usage": [chunk(TEXT, around={"usage": {"prompt_tokens": 1, HALF: HALF}}), *END],
    "unknown": [chunk({**TEXT, HALF: [HALF]}), *END],
}
REFUSED: dict[str, list[Any]] = {
    "NaN": [json.dumps(chunk(TEXT, logprobs=token("x"))).replace("-1", "NaN")],
    "1e999": [json.dumps(chunk(TEXT, logprobs=token("x"))).replace("-1", "1e999")],
    "an unknown member of 401 digits": [chunk({**TEXT, "new": [10**400]}), *END],
    "5,000 digits": [
        json.dumps(chunk({**TEXT, "new": 0})).replace('"new": 0', '"new": ' + "9" * 5000)
    ],
    "logprobs a list": [chunk(TEXT, logprobs=[1]), *END],
    "logprobs a text": [chunk(TEXT, logprobs="x"), *END],
    "logprobs a number": [chunk(TEXT, logprobs=7), *END],
    "large logprobs": [chunk(TEXT, logprobs=token("x" * 300_000)), *END],
    "large reason": [chunk(TEXT, "x" * 300_000), DONE],
    "large name": [chunk(call(function={"name": "x" * 300_000})), *END],
    "401 digits": [chunk(TEXT), chunk({}, around={"usage": {"prompt_tokens": 10**400}}), *END],
    "300 levels": [chunk({**TEXT, "deep": json.loads("[" * 300 + "]" * 300)}), *END],
    "20,000 calls": [
        chunk({"tool_calls": [{"index": n, "id": str(n), "function": {}} for n in range(20_000)]}),
        *END,
    ],
}


def told(shared: Shared, chunks: list[Any]) -> dict[str, Any]:
    """The record of a generation that was told this; every reader of it has been asked."""
    shared.reset()
    shared.provider.default = Script(chunks=chunks)
    generation_id = shared.hub.generate("q")
    record: dict[str, Any] = shared.hub.finished(generation_id)
    for path in (
        f"/generations/{generation_id}",
        f"/generations/{generation_id}/events",
        f"/generations/{generation_id}/events?from=start",
        f"/generations/{generation_id}/events?format=openai",
        f"/generations/{generation_id}/events?format=text",
        f"/v1/responses/resp_{generation_id}",
        f"/g/{generation_id}",
        "/generations",
    ):
        answer = shared.hub.get(path)
        assert answer.status_code == 200, path
        answer.content.decode()
    assert len(shared.provider.requests) == record["attempt"] == 1
    shared.provider.default = None
    assert shared.hub.finished(shared.hub.generate("next"))["status"] == "completed"
    return record


@pytest.mark.parametrize("place", MENDED)
def test_half_a_character_is_mended_wherever_a_provider_puts_it(shared: Shared, place: str) -> None:
    record = told(shared, MENDED[place])
    assert record["status"] == "completed"
    assert "\ufffd" in json.dumps(record, ensure_ascii=False)


def test_half_a_character_in_an_error_s_words_is_mended(shared: Shared) -> None:
    record = told(shared, [chunk(TEXT), {"error": {"message": HALF, "code": HALF}}])
    assert (record["error"]["message"], record["choices"][0]["content"]) == ("a\ufffd", "x")


@pytest.mark.parametrize("what", REFUSED)
def test_what_would_harm_a_reader_ends_its_own_generation_in_words(
    shared: Shared, what: str
) -> None:
    record = told(shared, REFUSED[what])
    assert (record["status"], record["error"]["code"]) == ("failed", "provider-malformed")
    assert record["error"]["message"]


def test_a_header_that_is_none_is_no_traceback_and_nothing_of_it_is_logged(shared: Shared) -> None:
    shared.reset()
    shared.provider.default = Script("an answer", headers={"a\0private": "header"})
    record = shared.hub.finished(shared.hub.generate("q"))
    assert record["choices"][0]["content"] == "an answer"
    log = shared.hub.workers[0].log()
    assert "Traceback" not in log and "private" not in log


def test_a_picture_of_five_megabytes_arrives(shared: Shared) -> None:
    picture = {
        "type": "image_url",
        "image_url": {"url": "data:image/png;base64," + "A" * 5_000_000},
    }
    record = told(shared, [chunk({"images": [picture]}), *END])
    assert record["choices"][0]["images"] == [picture]
