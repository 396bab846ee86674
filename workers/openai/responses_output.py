"""OpenAI's output items, built delta by delta, with the events that say so.

An `Output` is a value: adding to it gives another one, so that several listeners may stand at
different places of one generation. The text so far is a chain of pieces, joined when an item is
done. The same deltas always give the same events and items: the record's log gives what the stream
has shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

Said = tuple[str, dict[str, Any]]
"""An event's type and its fields, without `type` and `sequence_number`."""

Pieces = tuple[Any, str] | None
"""A chain: what came before, and a piece."""

_PART_OF = {"content": "output_text", "refusal": "refusal", "reasoning": "reasoning_text"}
_ITEM_OF = {"content": "message", "refusal": "message", "reasoning": "reasoning"}


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One output item. `kind` is `message`, `reasoning` or `function_call`; `parts` has the text of
    each content part by its kind, a call's arguments stand in `text`."""

    id: str
    kind: str
    index: int
    call_index: int = -1
    call_id: str = ""
    name: str = ""
    text: Pieces = None
    parts: tuple[tuple[str, Pieces], ...] = ()
    done: bool = False

    def to_json(self, status: str) -> dict[str, Any]:
        item: dict[str, Any] = {"id": self.id, "type": self.kind, "status": status}
        if self.kind == "function_call":
            called = {"call_id": self.call_id, "name": self.name, "arguments": joined(self.text)}
            return {**item, **called}
        content = [part_json(kind, joined(text)) for kind, text in self.parts]
        if self.kind == "reasoning":
            return {**item, "summary": [], "content": content}
        return {**item, "role": "assistant", "content": content}


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """The items so far of the generation `name`."""

    name: str
    items: tuple[Item, ...] = ()

    def add(self, delta: Mapping[str, Any]) -> tuple[Output, list[Said]]:
        """Take the data of a `delta` event of choice 0."""
        said: list[Said] = []
        output = self
        for kind in ("reasoning", "content", "refusal"):
            if delta.get(kind):
                output = output._text(kind, delta[kind], delta.get("logprobs"), said)
        for piece in delta.get("tool_calls") or ():
            output = output._call(piece, said)
        return output, said

    def finish(self) -> tuple[Output, list[Said]]:
        """Every item is complete."""
        said: list[Said] = []
        output = self
        for item in self.items:
            if not item.done:
                output = output._done(item, said)
        return output, said

    def to_json(self, status: str = "completed") -> list[dict[str, Any]]:
        """`status` is that of the items that are not done."""
        return [item.to_json("completed" if item.done else status) for item in self.items]

    def _text(self, kind: str, text: str, logprobs: object, said: list[Said]) -> Output:
        output, item = self._open_text(_ITEM_OF[kind], said)
        part = next((n for n, (name, _) in enumerate(item.parts) if name == kind), -1)
        if part < 0:
            part = len(item.parts)
            item = replace(item, parts=(*item.parts, (kind, None)))
            where = _where(item, content_index=part)
            said.append(("response.content_part.added", {**where, "part": part_json(kind, "")}))
        before = item.parts[part][1]
        parts = (*item.parts[:part], (kind, (before, text)), *item.parts[part + 1 :])
        delta = {**_where(item, content_index=part), "delta": text}
        if kind == "content":
            delta["logprobs"] = _logprobs(logprobs)
        said.append((f"response.{_PART_OF[kind]}.delta", delta))
        return output._with(replace(item, parts=parts))

    def _open_text(self, kind: str, said: list[Said]) -> tuple[Output, Item]:
        """The open item of that kind; other text items are complete when one of another kind
        begins. (Tool calls stay open: their pieces may come by turns.)"""
        output = self
        for item in self.items:
            if item.kind == kind and not item.done:
                return self, item
            if item.kind in ("message", "reasoning") and not item.done:
                output = output._done(item, said)
        return output._new(kind, said)

    def _call(self, piece: Mapping[str, Any], said: list[Said]) -> Output:
        function = piece.get("function") or {}
        output, item = self, None
        for known in self.items:
            if known.kind == "function_call" and known.call_index == piece["index"]:
                item = known
            elif known.kind in ("message", "reasoning") and not known.done:
                output = output._done(known, said)
        if item is None:
            call_id = piece.get("id") or f"call_{self.name}_{piece['index']}"
            output, item = output._new(
                "function_call",
                said,
                call_index=piece["index"],
                call_id=call_id,
                name=function.get("name") or "",
            )
        arguments = function.get("arguments")
        if not arguments:
            return output
        said.append(
            (
                "response.function_call_arguments.delta",
                {**_where(item), "delta": arguments},
            )
        )
        return output._with(replace(item, text=(item.text, arguments)))

    def _new(self, kind: str, said: list[Said], **fields: Any) -> tuple[Output, Item]:
        number = len(self.items)
        prefix = {"message": "msg", "reasoning": "rs", "function_call": "fc"}[kind]
        item = Item(f"{prefix}_{self.name}_{number}", kind, number, **fields)
        begun = {"output_index": number, "item": item.to_json("in_progress")}
        said.append(("response.output_item.added", begun))
        return replace(self, items=(*self.items, item)), item

    def _done(self, item: Item, said: list[Said]) -> Output:
        for number, (kind, text) in enumerate(item.parts):
            where, whole = _where(item, content_index=number), joined(text)
            told = {**where, "refusal" if kind == "refusal" else "text": whole}
            if kind == "content":
                told["logprobs"] = []
            said.append((f"response.{_PART_OF[kind]}.done", told))
            said.append(("response.content_part.done", {**where, "part": part_json(kind, whole)}))
        if item.kind == "function_call":
            told = {**_where(item), "name": item.name, "arguments": joined(item.text)}
            said.append(("response.function_call_arguments.done", told))
        ended = {"output_index": item.index, "item": item.to_json("completed")}
        said.append(("response.output_item.done", ended))
        return self._with(replace(item, done=True))

    def _with(self, item: Item) -> Output:
        items = (*self.items[: item.index], item, *self.items[item.index + 1 :])
        return replace(self, items=items)


def part_json(kind: str, text: str) -> dict[str, Any]:
    if kind == "refusal":
        return {"type": "refusal", "refusal": text}
    if kind == "reasoning":
        return {"type": "reasoning_text", "text": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def joined(pieces: Pieces) -> str:
    return "".join(reversed(list(_backwards(pieces))))


def _backwards(pieces: Pieces) -> Iterator[str]:
    while pieces is not None:
        pieces, text = pieces
        yield text


def _where(item: Item, **beside: int) -> dict[str, Any]:
    return {"item_id": item.id, "output_index": item.index, **beside}


def _logprobs(given: object) -> list[Any]:
    found = given.get("content") if isinstance(given, Mapping) else None
    return found if isinstance(found, list) else []
