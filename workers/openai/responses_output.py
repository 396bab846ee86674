"""OpenAI's output items, built delta by delta, with the events that say so.

An `Output` is a value: adding to it gives another one, so that several listeners may stand at
different places of one generation. The same deltas always give the same events and items: the
record's log gives what the stream has shown.

What the hub does not know of a delta (`workers.provider.members`) stands in the item that it
belongs to: thoughts' details in `reasoning`, annotations in the text that they annotate, a call's
members in the call, a picture in the message. What stood around the delta is beside the items, in
the response.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hub.fanout.pace import LONG_TEXT, paced
from hub.json_text import decode, go_on
from hub.long_text import LongText, Text
from workers.chain import Chain, in_order, text_of
from workers.openai.responses_items import (
    ANNOTATIONS,
    CALLS,
    PREFIXES,
    Item,
    Part,
    chained,
    flat_annotation,
    summary_part,
)
from workers.provider.calls import beyond
from workers.provider.joining import Joined
from workers.provider.members import (
    CALL,
    CHOICE,
    COMPLETION,
    CONTENT,
    DELTA,
    OF_REASONING,
    PARTS,
    PLAIN,
    Place,
    flat,
    unflat,
)

Said = tuple[str, dict[str, Any]]
"""An event's type and its fields, without `type` and `sequence_number`."""

_PART_OF = {"content": "output_text", "refusal": "refusal", "reasoning": "reasoning_text"}
_ITEM_OF = {"content": "message", "refusal": "message", "reasoning": "reasoning", PARTS: "message"}
_ANSWERS = frozenset({"images", "audio"})
"""Carried members that are an answer by themselves: without a message they begin one."""


MAX_TURNS = 512
"""Items of a response up to which thoughts and text take turns, each in an item of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """The items so far of the generation `name`, and what was carried beside them; `early`: what
    will belong to the message, where there is none yet."""

    name: str
    items: tuple[Item, ...] = ()
    around: Chain = None
    early: Chain = None
    settled: int = 0
    """So many items at the front are done: they are not looked at any more."""

    def add(
        self, delta: Mapping[str, Any], step: Callable[[], None] = go_on
    ) -> tuple[Output, list[Said]]:
        """Take the data of a `delta` event of choice 0. `step` is called between things of which a
        delta can hold many."""
        said: list[Said] = []
        output = self
        for kind in ("reasoning", "content", "refusal"):
            if delta.get(kind):
                output = output._text(kind, delta[kind], delta.get("logprobs"), said)
        for piece in delta.get("tool_calls") or ():
            output = output._call(piece, said)
            step()
        if not PLAIN.issuperset(delta):
            for (place, name), value in unflat(delta).items():
                output = output._carried(place, name, value, said)
                step()
        return output, said

    def finish(self, step: Callable[[], None] = go_on) -> tuple[Output, list[Said]]:
        """Every item is complete."""
        said: list[Said] = []
        output = self
        for item in self.items:
            if not item.done:
                output, item = output._released(item, said)
                output = output._done(item, said)
                step()
        return output, said

    def to_json(
        self, status: str = "completed", step: Callable[[], None] = go_on
    ) -> list[dict[str, Any]]:
        """`status` is that of the items that are not done."""
        shown = []
        for item in self.items:
            shown.append(item.to_json("completed" if item.done else status))
            step()
        return shown

    def beside(self) -> dict[str, Any]:
        """What was carried beside the items, by name."""
        found = Joined()
        for place, name, value in [*in_order(self.early), *in_order(self.around)]:
            found.add(place, name, value)
        told = flat(found.to_json(DELTA, CHOICE, COMPLETION))
        return {name: value for name, value in told.items() if name != "places"}

    def _text(self, kind: str, text: Text, logprobs: object, said: list[Said]) -> Output:
        output, item = self._open_text(_ITEM_OF[kind], said)
        number = len(item.parts) - 1
        if number < 0 or item.parts[number].kind != kind:
            number += 1
            item = _with_part(item, Part(kind), said)
        part = item.parts[number]
        tokens = _logprobs(logprobs)
        part = replace(
            part,
            text=(part.text, text),
            logprobs=(part.logprobs, tokens) if tokens else part.logprobs,
        )
        delta = {**_where(item, content_index=number), "delta": text}
        if kind == "content":
            delta["logprobs"] = tokens
        said.append((f"response.{_PART_OF[kind]}.delta", delta))
        if kind == "reasoning":
            summed = {**_where(item, summary_index=number), "delta": text}
            said.append(("response.reasoning_summary_text.delta", summed))
        return output._with(replace(item, parts=(*item.parts[:number], part)))

    def _open_text(self, kind: str, said: list[Said]) -> tuple[Output, Item]:
        """The open item of that kind; other text items are complete when one of another kind
        begins. (Tool calls stay open: more of them may come.) Behind `MAX_TURNS` a text and a
        reasoning go on beside each other: every further item makes each delta cost more."""
        output = self
        for item in self.items[self.settled :]:
            if item.kind == kind and not item.done:
                return self, item
            if self._gives_way(item):
                output = output._done(item, said)
        return output._new(kind, said)

    def _gives_way(self, item: Item) -> bool:
        """Whether an open item is complete because one of another kind goes on."""
        is_text = item.kind in ("message", "reasoning")
        return is_text and not item.done and len(self.items) < MAX_TURNS

    def _call(self, piece: Mapping[str, Any], said: list[Said]) -> Output:
        """One call is said after the other, as OpenAI does: clients join what stands together
        (langchain-openai loses pieces that come by turns). Where a provider sends them by turns,
        the first is said as it comes and the others are held until it is whole."""
        kind = "custom_tool_call" if "custom" in piece else "function_call"
        called = piece.get("custom") or piece.get("function") or {}
        output = self
        for known in self.items[self.settled :]:
            if self._gives_way(known):
                output = output._done(known, said)
        item = output._call_at(piece["index"])
        if item is None:
            while (spoken := output._spoken()) is not None and _is_whole(spoken):
                output, spoken = output._released(spoken, said)
                output = output._done(spoken, said)
            call_id = piece.get("id") or f"call_{self.name}_{piece['index']}"
            output, item = output._new(
                kind,
                said,
                call_index=piece["index"],
                call_id=call_id,
                name=called.get("name") or "",
                held=spoken is not None,
            )
        elif called.get("name"):
            item = replace(item, name=item.name + called["name"])
        item = replace(item, carried=chained(item.carried, CALL, beyond(piece)))
        text = called.get(CALLS[item.kind])
        if text:
            if not (item.held or item.done):
                said.append((f"response.{_event_of(item)}.delta", {**_where(item), "delta": text}))
            item = replace(item, text=(item.text, text), chars=item.chars + len(text))
        return output._with(item)

    def _call_at(self, index: int) -> Item | None:
        """The call of a piece. Also one that is complete: its provider may send an empty piece
        more, or a member, after the next call has begun."""
        calls = (item for item in reversed(self.items) if item.kind in CALLS)
        return next((item for item in calls if item.call_index == index), None)

    def _spoken(self) -> Item | None:
        """The first call that is not complete: the one that is being said."""
        calls = (item for item in self.items[self.settled :] if item.kind in CALLS)
        return next((item for item in calls if not item.done), None)

    def _released(self, item: Item, said: list[Said]) -> tuple[Output, Item]:
        """The same, and of an item that was held all that had been kept back."""
        if not item.held:
            return self, item
        item = replace(item, held=False)
        begun = replace(item, text=None)
        _begin(begun, said)
        if item.text is not None:
            text = text_of(item.text)
            said.append((f"response.{_event_of(item)}.delta", {**_where(item), "delta": text}))
        return self._with(item), item

    def _carried(self, place: Place, name: str, value: Any, said: list[Said]) -> Output:
        if place not in (DELTA, CONTENT):
            return replace(self, around=chained(self.around, place, {name: value}))
        if place == CONTENT:
            output = self
            for other in value:
                if _is_text(other):  # in a snapshot they stand among the others
                    output = output._text("content", other["text"], None, said)
                else:
                    output, item = output._open_text("message", said)
                    output = output._with(_with_part(item, Part(PARTS, other=other), said))
            return output
        output, home = self._home_of(name, said)
        if home is None:
            return replace(self, early=chained(self.early, place, {name: value}))
        if name == ANNOTATIONS and isinstance(value, list):
            home = _annotated(home, value, said)
        return output._with(replace(home, carried=chained(home.carried, place, {name: value})))

    def _home_of(self, name: str, said: list[Said]) -> tuple[Output, Item | None]:
        """The item that a carried member belongs to; None: the response itself."""
        kind = "reasoning" if name in OF_REASONING else "message"
        for item in reversed(self.items):
            if item.kind == kind:
                return self, item
        if kind == "reasoning" or name in _ANSWERS:
            return self._new(kind, said)
        return self, None

    def _new(self, kind: str, said: list[Said], **fields: Any) -> tuple[Output, Item]:
        number = len(self.items)
        item = Item(f"{PREFIXES[kind]}_{self.name}_{number}", kind, number, **fields)
        if not item.held:
            _begin(item, said)
        output = replace(self, items=(*self.items, item))
        if kind == "message" and self.early is not None:
            output = replace(output, early=None)
            for place, name, value in paced(in_order(self.early)):
                output = output._carried(place, name, value, said)
            item = output.items[-1]
        return output, item

    def _done(self, item: Item, said: list[Said]) -> Output:
        whole = item.to_json("completed")
        for number, part in enumerate(item.parts):
            where, shown = _where(item, content_index=number), whole["content"][number]
            if part.kind != PARTS:
                name = "refusal" if part.kind == "refusal" else "text"
                told = {**where, name: shown[name]}
                if part.kind == "content":
                    told["logprobs"] = shown["logprobs"]
                said.append((f"response.{_PART_OF[part.kind]}.done", told))
            said.append(("response.content_part.done", {**where, "part": shown}))
            if part.kind == "reasoning":
                where = _where(item, summary_index=number)
                summed = {**where, "text": shown["text"]}
                said.append(("response.reasoning_summary_text.done", summed))
                summed = {**where, "part": summary_part(shown["text"])}
                said.append(("response.reasoning_summary_part.done", summed))
        if item.kind in CALLS:
            told = {**_where(item), CALLS[item.kind]: text_of(item.text)}
            if item.kind == "function_call":
                told["name"] = item.name
            said.append((f"response.{_event_of(item)}.done", told))
        said.append(("response.output_item.done", {"output_index": item.index, "item": whole}))
        return self._with(replace(item, done=True))

    def _with(self, item: Item) -> Output:
        items = (*self.items[: item.index], item, *self.items[item.index + 1 :])
        settled = self.settled
        while settled < len(items) and items[settled].done:
            settled += 1
        return replace(self, items=items, settled=settled)


def _begin(item: Item, said: list[Said]) -> None:
    begun = {"output_index": item.index, "item": item.to_json("in_progress")}
    said.append(("response.output_item.added", begun))


def _is_whole(call: Item) -> bool:
    """Whether a call has an object as arguments that has ended. Other inputs never are, and long
    ones are not looked at: each further call would take that long."""
    if call.kind != "function_call" or not 0 < call.chars <= LONG_TEXT:
        return False
    assert call.text is not None
    if not call.text[1].endswith("}"):
        return False
    try:
        decode(str(text_of(call.text)))
    except ValueError:
        return False
    return True


def _with_part(item: Item, part: Part, said: list[Said]) -> Item:
    """The item with one more content part, and the events that say that it begins."""
    number = len(item.parts)
    begun = {**_where(item, content_index=number), "part": part.to_json([])}
    said.append(("response.content_part.added", begun))
    if part.kind == "reasoning":
        summed = {**_where(item, summary_index=number), "part": summary_part("")}
        said.append(("response.reasoning_summary_part.added", summed))
    return replace(item, parts=(*item.parts, part))


def _annotated(item: Item, annotations: list[Any], said: list[Said]) -> Item:
    number = next((n for n, part in enumerate(item.parts) if part.kind == "content"), 0)
    for at, annotation in enumerate(paced(annotations), item.annotations):
        told = {"annotation_index": at, "annotation": flat_annotation(annotation)}
        where = _where(item, content_index=number)
        said.append(("response.output_text.annotation.added", {**where, **told}))
    return replace(item, annotations=item.annotations + len(annotations))


def _is_text(part: Mapping[str, Any]) -> bool:
    return part.get("type") == "text" and isinstance(part.get("text"), str | LongText)


def _event_of(call: Item) -> str:
    is_custom = call.kind == "custom_tool_call"
    return "custom_tool_call_input" if is_custom else "function_call_arguments"


def _where(item: Item, **beside: int) -> dict[str, Any]:
    return {"item_id": item.id, "output_index": item.index, **beside}


def _logprobs(given: object) -> list[Any]:
    found = given.get("content") if isinstance(given, Mapping) else None
    return found if isinstance(found, list) else []
