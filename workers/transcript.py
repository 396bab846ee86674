"""A generation's text: the log of its deltas, folded into choices.

The record's log holds the data of every `delta` event of the current attempt, one JSON object a
line, appended in the step that stored the events. Folding it therefore gives, byte for byte, what
the listeners were sent. Nothing else keeps the text: what is kept once cannot differ.

What the hub does not know of a provider's answer is in the same lines, and joins as the table says
(`workers.provider.members`).

Refused: keeping the text itself in the record. Several choices, reasoning, refusals and tool calls
would each need a string of their own, appended in the same script, for a page that is read once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from json.encoder import encode_basestring
from typing import Any

from hub.event import compact_json
from hub.long_text import GrowingText, pieces_of, whole_text
from workers.provider.joining import Joined, JoinedCall
from workers.provider.members import (
    CHOICE,
    COMPLETION,
    CONTENT,
    DELTA,
    PARTS,
    PLAIN,
    Carried,
    Place,
    flat,
    unflat,
)

TEXT_KINDS = ("content", "reasoning", "refusal")
SNAPSHOT = ("attempt", "choices", "status", "data")
"""The members of a snapshot that are the hub's own."""


def delta_json(
    index: int,
    kind: str,
    value: object,
    logprobs: object = None,
    carried: Carried | None = None,
    encode: Callable[[object], str] = compact_json,
) -> str:
    """The data of a `delta` event: `{"index", <kind>: …}`. Written by hand: it is the hot path.
    `encode` makes JSON of what is no text."""
    if kind == "carried":
        said = ""
    else:
        said = f',"{kind}":{encode_basestring(value) if isinstance(value, str) else encode(value)}'
    if logprobs is not None:
        said += f',"logprobs":{encode(logprobs)}'
    if carried:
        said += f",{encode(flat(carried))[1:-1]}"
    return f'{{"index":{index}{said}}}'


class Choice:
    """One choice as it grows."""

    def __init__(self, index: int) -> None:
        self.index = index
        self._texts = {kind: GrowingText() for kind in TEXT_KINDS}
        self._calls: dict[int, JoinedCall] = {}
        self._logprobs: dict[str, list[Any]] = {}
        self._parts: list[tuple[int, Any]] = []
        self._content_chars = 0
        self.carried = Joined()

    def add(self, delta: Mapping[str, Any]) -> None:
        for kind in TEXT_KINDS:
            if kind in delta:
                self._texts[kind].add(delta[kind])
        self._content_chars += len(delta.get("content", ""))
        for piece in delta.get("tool_calls") or ():
            index = piece["index"]
            self._calls.setdefault(index, JoinedCall(index)).add(piece)
        for name, tokens in (delta.get("logprobs") or {}).items():
            if isinstance(tokens, list):
                self._logprobs.setdefault(name, []).extend(tokens)
        if not PLAIN.issuperset(delta):
            for (place, name), value in unflat(delta).items():
                if place == CONTENT:
                    self._parts += [(self._content_chars, part) for part in value]
                else:
                    self.carried.add(place, name, value)

    def to_json(self) -> dict[str, Any]:
        """`{"index", "content", "reasoning", "tool_calls"}`, then `refusal`, `logprobs`,
        `content_parts` and what is carried, where the model gave any."""
        text = {kind: growing.whole() for kind, growing in self._texts.items()}
        refusal = text.pop("refusal")
        choice: dict[str, Any] = {"index": self.index, **text}
        choice["tool_calls"] = [call.to_json() for call in self._calls.values()]
        if refusal:
            choice["refusal"] = refusal
        if self._logprobs:
            choice["logprobs"] = {name: list(given) for name, given in self._logprobs.items()}
        if self._parts:
            choice[PARTS] = list(self._content_parts())
        if self.carried:
            choice |= flat(self.carried.to_json(DELTA, CHOICE))
        return choice

    def _content_parts(self) -> Iterable[Any]:
        """The content as OpenAI's list of parts: its texts and the others in their order."""
        text, begun = self._texts["content"].whole(), 0
        rest = deque(pieces_of(text))
        for at, part in [*self._parts, (len(text), None)]:
            if begun < at:
                yield {"type": "text", "text": whole_text(_taken(rest, at - begun))}
            begun = at
            if part is not None:
                yield part


class Transcript:
    """What a record's log adds up to, as far as it was read (`log_reader`): all choices of a
    generation, and what its provider said beside them."""

    def __init__(self) -> None:
        self._choices: dict[int, Choice] = {}
        self._parts: dict[object, Mapping[str, Any]] = {}

    def add(self, delta: Mapping[str, Any]) -> None:
        """Take the data of a `delta` event, or `{"part": …}` with that of a `data` event."""
        if "index" not in delta:  # a provider may call something of its own `part`, too
            part = delta["part"]
            key = len(self._parts) if part["id"] is None else part["id"]
            self._parts[key] = part
            return
        index = delta["index"]
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = Choice(index)
        choice.add(delta)

    def __bool__(self) -> bool:
        return bool(self._choices or self._parts)

    def data_json(self) -> list[Mapping[str, Any]]:
        """The application's own parts, in the order of their first coming, each as it last was."""
        return list(self._parts.values())

    def choices_json(self) -> list[dict[str, Any]]:
        """The choices that have had a delta, in order. Nothing of it changes when more is added."""
        return [self._choices[index].to_json() for index in sorted(self._choices)]

    def beside_json(self) -> dict[str, Any]:
        """What was carried beside the choices, under its own names."""
        found: dict[str, Any] = {}
        for choice in self._choices.values():
            around = choice.carried.to_json(COMPLETION)
            found |= {name: value for (_, name), value in around.items()}
        return found


def with_all(
    choices: Iterable[dict[str, Any]], indexes: Iterable[int], finish_reasons: Mapping[int, str]
) -> list[dict[str, Any]]:
    """The choices of these `indexes`, also those that have had no delta, and what ended each."""
    found = {choice["index"]: choice for choice in choices}
    for index in indexes:
        found.setdefault(index, Choice(index).to_json())
    return [{**found[index], "finish_reason": finish_reasons.get(index)} for index in sorted(found)]


def within(
    own: Mapping[str, Any], beside: Mapping[str, Any], place: Place = COMPLETION
) -> dict[str, Any]:
    """`own` and what was carried from `place` in one object. A name of our own is ours: the carried
    member of that name is `<place>.<name>`."""
    carried = {name if name not in own else f"{place}.{name}": v for name, v in beside.items()}
    return {**own, **carried}


def apart(
    whole: Mapping[str, Any], own: Collection[str], place: Place = COMPLETION
) -> dict[str, Any]:
    """What `within` has put beside the members `own`."""
    found = {}
    for name, value in whole.items():
        if name not in own:
            bare = name.removeprefix(f"{place}.")
            found[bare if bare in own else name] = value
    return found


def _taken(pieces: deque[str], count: int) -> Iterable[str]:
    """The first `count` characters, which are taken away."""
    while count:
        piece = pieces.popleft()
        if len(piece) > count:
            pieces.appendleft(piece[count:])
        yield piece[:count]
        count -= min(count, len(piece))
