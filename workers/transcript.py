"""A generation's text: the log of its deltas, folded into choices.

The record's log holds the data of every `delta` event of the current attempt, one JSON object a
line, appended in the step that stored the events. Folding it therefore gives, byte for byte, what
the listeners were sent. Nothing else keeps the text: what is kept once cannot differ.

Refused: keeping the text itself in the record. Several choices, reasoning, refusals and tool calls
would each need a string of their own, appended in the same script, for a page that is read once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring
from typing import Any

TEXT_KINDS = ("content", "reasoning", "refusal")


def delta_json(index: int, kind: str, value: object, logprobs: object = None) -> str:
    """The data of a `delta` event: `{"index", <kind>: …}`. Written by hand: it is the hot path."""
    text = encode_basestring(value) if isinstance(value, str) else _JSON.encode(value)
    if logprobs is None:
        return f'{{"index":{index},"{kind}":{text}}}'
    return f'{{"index":{index},"{kind}":{text},"logprobs":{_JSON.encode(logprobs)}}}'


class Choice:
    """One choice as it grows."""

    def __init__(self, index: int) -> None:
        self.index = index
        self._pieces: dict[str, list[str]] = {kind: [] for kind in TEXT_KINDS}
        self._calls: list[_Call] = []
        self._logprobs: dict[str, list[Any]] = {}

    def add(self, delta: Mapping[str, Any]) -> None:
        for kind in TEXT_KINDS:
            if kind in delta:
                self._pieces[kind].append(delta[kind])
        for piece in delta.get("tool_calls") or ():
            self._call(piece).add(piece)
        for name, tokens in (delta.get("logprobs") or {}).items():
            if isinstance(tokens, list):
                self._logprobs.setdefault(name, []).extend(tokens)

    def _call(self, piece: Mapping[str, Any]) -> _Call:
        for call in self._calls:
            if call.index == piece["index"]:
                return call
        self._calls.append(_Call(piece["index"]))
        return self._calls[-1]

    def to_json(self) -> dict[str, Any]:
        """`{"index", "content", "reasoning", "tool_calls"}`, and `refusal` and `logprobs` where
        the model gave any."""
        text = {kind: _joined(pieces) for kind, pieces in self._pieces.items()}
        refusal = text.pop("refusal")
        choice: dict[str, Any] = {"index": self.index, **text}
        choice["tool_calls"] = [call.to_json() for call in self._calls]
        if refusal:
            choice["refusal"] = refusal
        if self._logprobs:
            choice["logprobs"] = {name: list(given) for name, given in self._logprobs.items()}
        return choice


class _Call:
    """A tool call, put together from its pieces as OpenAI does: by index."""

    def __init__(self, index: int) -> None:
        self.index = index
        self._own: dict[str, Any] = {}
        self._function: dict[str, list[str]] = {"name": [], "arguments": []}

    def add(self, piece: Mapping[str, Any]) -> None:
        for name, value in piece.items():
            if name not in ("index", "function") and value is not None:
                self._own[name] = value
        for name, value in (piece.get("function") or {}).items():
            if isinstance(value, str):
                self._function.setdefault(name, []).append(value)

    def to_json(self) -> dict[str, Any]:
        function = {name: _joined(pieces) for name, pieces in self._function.items()}
        return {"id": None, "type": "function", **self._own, "function": function}


class Transcript:
    """What a record's log adds up to, as far as it was read (`log_reader`)."""

    def __init__(self) -> None:
        self._choices: dict[int, Choice] = {}

    def add(self, delta: Mapping[str, Any]) -> None:
        index = delta["index"]
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = Choice(index)
        choice.add(delta)

    def __bool__(self) -> bool:
        return bool(self._choices)

    def choices_json(self) -> list[dict[str, Any]]:
        """The choices that have had a delta, in order. Nothing of it changes when more is added."""
        return [self._choices[index].to_json() for index in sorted(self._choices)]


def with_all(
    choices: Iterable[dict[str, Any]], indexes: Iterable[int], finish_reasons: Mapping[int, str]
) -> list[dict[str, Any]]:
    """The choices of these `indexes`, also those that have had no delta, and what ended each."""
    found = {choice["index"]: choice for choice in choices}
    for index in indexes:
        found.setdefault(index, Choice(index).to_json())
    return [{**found[index], "finish_reason": finish_reasons.get(index)} for index in sorted(found)]


def _joined(pieces: list[str]) -> str:
    """The text, which takes the place of its pieces: whoever asks next shares it."""
    if len(pieces) > 1:
        pieces[:] = ["".join(pieces)]
    return pieces[0] if pieces else ""


_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
