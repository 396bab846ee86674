"""Every kind of value in every place of a chunk: whatever stands where, the answer ends in words or
whole, at its first attempt, keeps what came before, and every reader of its record reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.faults.test_poison import DONE, PRICES, chunk
from tests.support.provider import Script
from tests.support.shared import Shared, shared_stack

VALUES = {
    "half a character": '"a\\ud83d"',
    "a null byte": '"a\\u0000b"',
    "NaN": "NaN",
    "-Infinity": "-Infinity",
    "401 digits": "9" * 401,
    "a number": "7",
    "below zero": "-1",
    "a fraction": "1.5",
    "more digits than a double": "9007199254740993123",
    "true": "true",
    "null": "null",
    "a list": "[1,[2]]",
    "an empty list": "[]",
    "an object": '{"a":{"b":null}}',
    "an empty object": "{}",
    "a text": '"x"',
    "an empty text": '""',
    "a large text": '"' + "x" * 300_000 + '"',
    "200 levels": "[" * 200 + "]" * 200,
    "a name twice": '{"a":1,"a":2}',
    "an event's end": '"a\\r\\n\\r\\nevent: completed\\r\\ndata: {}\\r\\n\\r\\n"',
}


def delta(members: str) -> str:
    return f'{{"choices":[{{"index":0,"delta":{{{members}}}}}]}}'


def choice(members: str) -> str:
    return f'{{"choices":[{{"index":0,"delta":{{"content":"x"}},{members}}}]}}'


def call(members: str) -> str:
    return delta(f'"tool_calls":[{{"index":0,"id":"a",{members}}}]')


def usage(members: str) -> str:
    return f'{{"choices":[],"usage":{{"prompt_tokens":1,"completion_tokens":1,{members}}}}}'


DELTA = (
    "content reasoning reasoning_content refusal role tool_calls function_call audio images "
    "annotations reasoning_details unknown index part logprobs data"
)
CHOICE = "index finish_reason logprobs message content_filter_results stop_reason text"
AROUND = (
    "model id object created usage error service_tier system_fingerprint citations search_results "
    "attempt status"
)
USAGE = "prompt_tokens prompt_tokens_details completion_tokens_details cost total_tokens"
PLACES = {
    "chunk": "@",
    "choices": '{"choices":@}',
    "choice": '{"choices":[@]}',
    "delta": '{"choices":[{"index":0,"delta":@}]}',
    **{f"delta.{name}": delta(f'"content":"x","{name}":@') for name in DELTA.split()},
    **{f"choice.{name}": choice(f'"{name}":@') for name in CHOICE.split()},
    **{name: choice('"x":0')[:-1] + f',"{name}":@}}' for name in AROUND.split()},
    **{f"usage.{name}": usage(f'"{name}":@') for name in USAGE.split()},
    "usage.cached_tokens": usage('"prompt_tokens_details":{"cached_tokens":@}'),
    **{f"error.{name}": f'{{"error":{{"message":"m","{name}":@}}}}' for name in ("code", "param")},
    "error.message": '{"error":{"message":@}}',
    "call.index": delta('"tool_calls":[{"index":@,"id":"a","function":{"name":"f"}}]'),
    "call.id": delta('"tool_calls":[{"index":0,"id":@,"function":{"name":"f"}}]'),
    "call.type": call('"type":@,"function":{"name":"f","arguments":"{}"}'),
    "call.function": call('"function":@'),
    "call.name": call('"function":{"name":@}'),
    "call.arguments": call('"function":{"name":"f","arguments":@}'),
    "call.input": call('"type":"custom","custom":{"name":"f","input":@}'),
    "call.extra_content": call('"extra_content":@,"function":{"name":"f"}'),
    "logprobs.content": choice('"logprobs":{"content":@}'),
    "logprobs.token": choice('"logprobs":{"content":[{"token":@,"logprob":-1}]}'),
    "logprobs.logprob": choice('"logprobs":{"content":[{"token":"x","logprob":@}]}'),
    "a part's text": delta('"content":[{"type":"text","text":@}]'),
    "a part": delta('"content":[@]'),
    "an annotation": delta('"content":"x","annotations":[@]'),
    "a thought": delta('"content":"x","reasoning_details":[@]'),
    "a picture": delta('"images":[{"type":"image_url","image_url":@}]'),
}
CODES = {None, "provider-malformed", "answer-too-large", "provider-unavailable"}
READERS = (
    "generations/{}/events?from=start",
    "generations/{}/events?from=snapshot",
    "generations/{}/events?format=openai",
    "generations/{}/events?format=text",
    "generations/{}/events?format=ai-sdk",
    "generations/{}/events?format=ag-ui",
    "v1/responses/resp_{}",
    "v1/responses/resp_{}?stream=true",
    "g/{}",
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    with shared_stack({"HUB_PRICES": json.dumps(PRICES), "HUB_GENERATIONS_PER_MINUTE": "0"}) as one:
        yield one


@pytest.mark.parametrize("place", PLACES)
def test_whatever_stands_there_hurts_nobody(shared: Shared, place: str) -> None:
    end = [chunk({}, "stop"), DONE]
    for value, written in VALUES.items():
        said = PLACES[place].replace("@", written)
        shared.provider.scripts[value] = Script(chunks=[chunk({"content": "before "}), said, *end])
    asked = {value: shared.hub.generate(value) for value in VALUES}

    for number, (value, name) in enumerate(asked.items(), sorted(PLACES).index(place)):
        record = shared.hub.finished(name)
        assert record["attempt"] == 1, value
        assert (record["error"] or {}).get("code") in CODES, value
        assert record["choices"][0]["content"].startswith("before "), value
        # One reader of each: over all places every reader meets every value.
        answer = shared.hub.get("/" + READERS[number % len(READERS)].format(name))
        assert answer.status_code == 200, (value, answer.url)
        answer.content.decode()
        answer = shared.hub.get(f"/v1/responses/resp_{name}")
        assert answer.status_code == 200, (value, answer.url)
    assert shared.hub.get("/generations").status_code == 200
    assert "Traceback" not in shared.hub.logs()
