"""Whatever a provider sends, in whatever cuts: parts that every face shows, or a failure in words.

The streams of twelve kinds of servers, with members exchanged, doubled and left out by chance.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from tests.openai.servers import SERVERS
from workers.openai.chat_response import message_of
from workers.openai.responses_output import Output
from workers.provider import Delta, Part, ProviderFailure, Usage, cost
from workers.provider.answer import Answer
from workers.transcript import Transcript, delta_json, with_all, within

NONSENSE: list[Any] = [
    None, True, 0, -1, 1.5, 10**400, "", "x", "\ud83d", "\ude00a", [], {}, [1], ["a", None],
    {"a": "b"}, {"type": "text"}, {"type": None}, [{"index": "x"}], [{"index": 0, "text": 5}],
    {"text": {}}, [[[]]], {"index": [1]}, [{"type": "thinking", "thinking": [1]}],
    {"function": []}, {"function": {"name": 5, "arguments": [1]}}, "error", {"message": "boom"},
    [{"function": {"name": {}, "arguments": None}}], [{"custom": {"name": "a", "input": {}}}],
    [{"type": "text", "text": 5}, {"type": "text", "text": "a"}, {}],
]  # fmt: skip
NAMES = [
    "index", "places", "logprobs", "content", "tool_calls", "choice.x", "finish_reason", "usage",
    "error", "id", "content_parts", "annotations", "reasoning_details", "audio", "extra_content",
    "\ud800",
]  # fmt: skip


def exchanged(value: Any, random: Random) -> Any:
    if random.random() < 0.05:
        return random.choice(NONSENSE)
    if isinstance(value, dict):
        members = {
            random.choice(NAMES) if random.random() < 0.03 else name: exchanged(inner, random)
            for name, inner in value.items()
            if random.random() > 0.03
        }
        if random.random() < 0.05:
            members[random.choice(NAMES)] = random.choice(NONSENSE)
        return members
    if isinstance(value, list):
        return [
            exchanged(inner, random) for inner in value for _ in range(random.choice((1, 1, 1, 2)))
        ]
    return value


def read(body: bytes, random: Random) -> list[Part]:
    """As a run reads it. Raises `ProviderFailure`."""
    answer, parts = Answer(random.choice((1, 1, 2))), []
    at = 0
    while at < len(body) and not answer.done and answer.failure is None:
        size = random.randint(1, 400)
        parts += answer.feed(body[at : at + size])
        at += size
    if not answer.done and answer.failure is None:
        parts += answer.end()
    if answer.failure is not None:
        raise answer.failure
    return parts + answer.summary()


def show(parts: list[Part]) -> None:
    """On every face, as JSON in UTF-8."""
    transcript, output = Transcript(), Output("g")
    for part in parts:
        if isinstance(part, Delta):
            line = delta_json(*part)
            line.encode()
            data = json.loads(line)
            transcript.add(data)
            if data["index"] == 0:
                output, said = output.add(data)
                sound(said)
        elif isinstance(part, Usage):
            sound(part.to_json())
            cost(part, "m", {"m": {"prompt": 1, "completion": 2, "cached": 0.5}})
        else:
            sound(part)
    choices = with_all(transcript.choices_json(), [0], {})
    sound(within({"choices": choices}, transcript.beside_json()))
    sound([message_of(choice) for choice in choices])
    output, said = output.finish()
    sound([output.to_json(), output.beside(), said])


def sound(value: object) -> None:
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize("server", SERVERS, ids=str)
def test_nonsense_of_a_server_breaks_nothing(server: Any) -> None:
    for seed in range(40):
        random = Random(f"{server} {seed}")
        chunks = [
            each if isinstance(each, str) else exchanged(each, random) for each in server.chunks
        ]
        lines = (each if isinstance(each, str) else json.dumps(each) for each in chunks)
        body = "".join(f"data: {line}\n\n" for line in lines).encode(errors="replace")
        try:
            parts = read(body, random)
        except ProviderFailure as failure:
            sound(failure.scrubbed(()).as_failed())
        else:
            show(parts)
