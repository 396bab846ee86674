"""Try a generator as a worker would run it, with nothing around it.

    from hub.testing import answer_of

    answered = answer_of(my_generator, "Why is the sea salty?")
    assert answered.text.startswith("Because")
    assert answered.data[0] == {"name": "progress", "data": {"step": 1}, "id": None}

What a worker would refuse is refused here, in the same words: `failure` is then its code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.settings import Settings
from workers.generators.marks import Marks, marks_of
from workers.generators.parts import Data, Request
from workers.generators.registry import Generator
from workers.generators.stream import GeneratorStream
from workers.provider import Delta, Finish, ProviderFailure, Said, Usage
from workers.transcript import Transcript


@dataclass
class Answered:
    """What clients would have seen. `parts` are all of it in order, as the worker gets them;
    `failure` is the code of a `failed` event and `message` its words, None where it completed."""

    text: str = ""
    reasoning: str = ""
    tool_calls: list[Mapping[str, Any]] = field(default_factory=list)
    data: list[Mapping[str, Any]] = field(default_factory=list)
    usage: Mapping[str, Any] | None = None
    finish_reason: str | None = None
    failure: str | None = None
    message: str | None = None
    parts: list[Said] = field(default_factory=list)


def answer_of(
    generator: Callable[[Request], Any],
    prompt: str = "",
    *,
    messages: Sequence[Mapping[str, Any]] | None = None,
    timeout_seconds: float = 30.0,
    **fields: Any,
) -> Answered:
    """Run `generator` to its end. `fields` are those of its `Request` (`tools`, `metadata`, …).

    It fails with `first-delta-timeout` or `stall-timeout` when it says nothing for so long.
    """
    asked = messages if messages is not None else [{"role": "user", "content": prompt}]
    request = Request(id="test", messages=asked, prompt=prompt, **fields)
    marks: Marks = marks_of(generator)
    settings = Settings(
        first_delta_timeout_seconds=timeout_seconds, stall_timeout_seconds=timeout_seconds
    )
    stream = GeneratorStream(Generator("test", generator, marks, None), request, settings)
    answered, transcript = Answered(), Transcript()
    try:
        for part in stream:
            _take(part, answered, transcript)
    except ProviderFailure as failure:
        answered.failure, answered.message = failure.code, failure.detail
    finally:
        stream.close()
    for choice in transcript.choices_json():
        answered.text, answered.reasoning = str(choice["content"]), str(choice["reasoning"])
        answered.tool_calls = choice["tool_calls"]
    answered.data = transcript.data_json()
    return answered


def _take(part: Said, answered: Answered, transcript: Transcript) -> None:
    answered.parts.append(part)
    match part:
        case Delta():
            transcript.add({"index": part.index, part.kind: part.value})
        case Data():
            transcript.add({"part": part._asdict()})
        case Finish():
            answered.finish_reason = part.reason
        case Usage():
            answered.usage = part.to_json()
