"""What came out of a stream, joined so that it can be compared however it was cut."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from workers.provider import Delta, Finish, Model, Part, Usage
from workers.provider.answer import Answer
from workers.provider.joining import Joined
from workers.provider.members import CHOICE, COMPLETION, DELTA, flat


@dataclass
class Choice:
    content: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    finish: str | None = None
    carried: dict[str, Any] = field(default_factory=dict)


@dataclass
class Read:
    """A whole answer."""

    model: str | None = None
    choices: dict[int, Choice] = field(default_factory=dict)
    usage: Usage | None = None
    logprobs: list[Any] = field(default_factory=list)
    beside: dict[str, Any] = field(default_factory=dict)
    """What was carried beside the choices."""

    def __post_init__(self) -> None:
        self._joined: dict[int, Joined] = {}

    @property
    def text(self) -> str:
        return self.choices[0].content

    @property
    def finish(self) -> str | None:
        return self.choices[0].finish

    def add(self, part: Part) -> None:
        if isinstance(part, Model):
            assert self.model is None, "the model's name came twice"
            self.model = part.name
        elif isinstance(part, Usage):
            assert self.usage is None, "the usage came twice"
            self.usage = part
        elif isinstance(part, Finish):
            choice = self.choices.setdefault(part.index, Choice())
            assert choice.finish is None, "a choice ended twice"
            choice.finish = part.reason
        else:
            self._delta(part)

    def _delta(self, delta: Delta) -> None:
        choice = self.choices.setdefault(delta.index, Choice())
        assert choice.finish is None, "a delta came after its choice's end"
        assert delta.value or delta.logprobs or delta.carried, "an empty delta"
        if delta.carried:
            joined = self._joined.setdefault(delta.index, Joined())
            for (place, name), value in delta.carried.items():
                joined.add(place, name, value)
            choice.carried = flat(joined.to_json(DELTA, CHOICE))
            self.beside = {name: told for (_, name), told in joined.to_json(COMPLETION).items()}
        if delta.logprobs is not None:
            self.logprobs.append(delta.logprobs)
        if delta.kind == "carried":
            return
        if isinstance(delta.value, str):
            setattr(choice, delta.kind, getattr(choice, delta.kind) + delta.value)
            return
        assert delta.kind == "tool_calls"
        for piece in delta.value:
            _join_call(choice.tool_calls, piece)


def _join_call(calls: list[dict[str, Any]], piece: dict[str, Any]) -> None:
    """As OpenAI's own client joins them: by index, texts concatenated."""
    if piece["index"] == len(calls):
        calls.append({"id": piece["id"], "type": piece["type"], "name": "", "arguments": ""})
    call = calls[piece["index"]]
    call["name"] += piece["function"].get("name", "")
    call["arguments"] += piece["function"].get("arguments", "")


def join(parts: Iterable[Part]) -> Read:
    read = Read()
    for part in parts:
        read.add(part)
    return read


def feed(pieces: Iterable[bytes], n: int = 1) -> Read:
    """These reads, without a network. Raises what a stream raises."""
    answer = Answer(n)
    read = Read()
    for piece in pieces:
        if answer.done:
            break
        for part in answer.feed(piece):
            read.add(part)
        if answer.failure is not None:
            raise answer.failure
    if not answer.done:
        for part in answer.end():
            read.add(part)
        if answer.failure is not None:
            raise answer.failure
    for part in answer.summary():
        read.add(part)
    return read


def chunk(delta: object = None, finish: object = None, **fields: Any) -> str:
    """One chunk as OpenAI writes it; `fields` stand beside the choices."""
    choice = {"index": 0, "delta": delta if delta is not None else {}, "finish_reason": finish}
    return line(
        {
            "id": "c1",
            "object": "chat.completion.chunk",
            "model": "m1",
            "choices": [choice],
            **fields,
        }
    )


def line(value: object) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


DONE = "data: [DONE]\n\n"
