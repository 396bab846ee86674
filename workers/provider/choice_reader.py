"""The deltas of one choice → parts, wherever a dialect puts text, thoughts, refusals and calls.

Whatever a delta holds beside them is kept for `Beside`, and what is beside the text in a list of
parts (a picture) becomes a part of the content.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workers.provider.beside import Beside
from workers.provider.json_door import Halves, Unsound
from workers.provider.members import CONTENT, DELTA, PARTS, UNDERSTOOD
from workers.provider.parts import Delta, Kind, Part
from workers.provider.thought import ThoughtSplitter
from workers.provider.tool_calls import ToolCalls

MAX_PARTS = 1024
"""Parts of one choice's content that are no text."""

_TEXT_PARTS = ("text", "output_text", None)
_TEXTS = ("reasoning", "reasoning_content", "refusal")
"""Members that are text; what is said as an object or a list instead is carried, too."""


class ChoiceReader:
    """`halves` waits for the other halves of characters. Everywhere: `torn`: texts may begin or end
    with half a character; `sound` lets a value pass as it is, or raises `Unsound`.

    `step` is called between things of which a provider can say many.

    (Neither `torn` nor `sound` is kept: a reader that knew its answer would leave it, and the
    exchange that is read, to the garbage collector.)
    """

    def __init__(
        self, index: int, halves: Halves, beside: Beside, step: Callable[[], None]
    ) -> None:
        self._index = index
        self._halves = halves
        self._beside = beside
        self._splitter = ThoughtSplitter()
        self._calls = ToolCalls(step)
        self._step = step
        self._others = 0
        self.whole: Mapping[str, Any] = {}
        """What the hub does not know of a whole message that stands beside the deltas, so far."""
        self.plain = False
        """The content that follows is text and no thought: a delta of it alone needs no look."""

    def delta(
        self,
        delta: Mapping[str, Any],
        logprobs: Any,
        parts: list[Part],
        *,
        torn: bool,
        sound: Callable[[Any], Any],
    ) -> None:
        """Add what a delta says to `parts`. Raises `Unsound`."""
        before = len(parts)
        if not UNDERSTOOD[DELTA].issuperset(delta):
            self._beside.take(self._index, DELTA, delta, sound)
        for name in _TEXTS:
            if isinstance(delta.get(name), dict | list):
                self._beside.take(self._index, DELTA, {name: delta[name]}, sound, known=())
        self._text("reasoning", _reasoning(delta), parts, torn)
        content = delta.get("content")
        if isinstance(content, str):
            self.content(content, parts, torn=torn)
        elif isinstance(content, list | dict):
            for item in content if isinstance(content, list) else [content]:
                self._part(item, parts, torn, sound)
                self._step()
        refusal = delta.get("refusal")
        if isinstance(refusal, str):
            self._text("refusal", refusal, parts, torn)
        calls = delta.get("tool_calls")
        if not calls and isinstance(delta.get("function_call"), Mapping):
            calls = [{"index": 0, "id": "call_0", "function": delta["function_call"]}]
        pieces = self._calls.read(calls, torn=torn, sound=sound) if calls else []
        if pieces:
            parts.append(Delta(self._index, "tool_calls", pieces))
        if logprobs is not None:
            self._with_logprobs(logprobs, parts, before)

    def content(self, text: str, parts: list[Part], *, torn: bool) -> None:
        if torn:
            text = self._halves.joined((self._index, "content"), text)
        if not text:
            return
        if self.plain:
            parts.append(Delta(self._index, "content", text))
            return
        self._split(self._splitter.split(text), parts)
        self.plain = self._splitter.plain

    def end(self, parts: list[Part]) -> None:
        """Nothing more comes: what was held back, and what no delta has said."""
        self._beside.take_rest(self._index, DELTA, self.whole)
        self._split(self._splitter.end(), parts)
        if rest := self._calls.end():
            parts.append(Delta(self._index, "tool_calls", rest))

    def _text(self, kind: Kind, text: str, parts: list[Part], torn: bool) -> None:
        if torn and text:
            text = self._halves.joined((self._index, kind), text)
        if text:
            parts.append(Delta(self._index, kind, text))

    def _split(self, pieces: list[tuple[bool, str]], parts: list[Part]) -> None:
        for is_thought, text in pieces:
            parts.append(Delta(self._index, "reasoning" if is_thought else "content", text))

    def _part(
        self, part: object, parts: list[Part], torn: bool, sound: Callable[[Any], Any]
    ) -> None:
        """One part of a list that stands in place of the text: a text, a thought (Mistral), or
        another."""
        if isinstance(part, str):
            self.content(part, parts, torn=torn)
        elif isinstance(part, Mapping):
            name = None
            if part.get("type") == "thinking":
                name = "thinking"
                self._text("reasoning", _joined(part.get(name)), parts, torn)
            elif part.get("type") in _TEXT_PARTS and isinstance(part.get("text"), str):
                name = "text"
                self.content(part["text"], parts, torn=torn)
            if name is None or any(part[key] for key in part if key not in ("type", name)):
                rest = part if name is None else {**part, name: ""}
                self._others += 1
                if self._others > MAX_PARTS:
                    raise Unsound(f"its content holds more than {MAX_PARTS} parts that are no text")
                carried = {(CONTENT, PARTS): [sound(rest)]}
                parts.append(Delta(self._index, "carried", "", None, carried))

    def _with_logprobs(self, logprobs: Any, parts: list[Part], before: int) -> None:
        """They belong to the text or the thought of their delta; where it is held back, or there is
        none, they leave alone."""
        for number in range(len(parts) - 1, before - 1, -1):
            part = parts[number]
            if type(part) is Delta and part.kind in ("content", "reasoning", "refusal"):
                parts[number] = part._replace(logprobs=logprobs)
                return
        parts.append(Delta(self._index, "content", "", logprobs))


def _reasoning(delta: Mapping[str, Any]) -> str:
    """Thoughts, wherever they stand; the first place that has any, as some servers repeat them."""
    for name in ("reasoning_content", "reasoning", "reasoning_details"):
        value = _joined(delta.get(name))
        if value:
            return value
    return ""


def _joined(items: object) -> str:
    """The text of a list of thoughts, or of one: `text`, or the `summary` or `content` given in its
    place."""
    if isinstance(items, str):
        return items
    if isinstance(items, Mapping):
        items = [items]
    if not isinstance(items, list):
        return ""
    texts = [
        item.get("text") or item.get("summary") or item.get("content")
        for item in items
        if isinstance(item, Mapping)
    ]
    return "".join(text for text in texts if isinstance(text, str))
