"""OpenAI's output items as values: what each holds, and how it looks as JSON.

The text so far is a chain of pieces, joined when it is asked for: several listeners may stand at
different places of one generation, and share what they have in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.fanout.pace import paced
from hub.long_text import Text
from workers.chain import Chain, in_order, text_of
from workers.provider.joining import Joined
from workers.provider.members import CALL, DELTA, PARTS, Place
from workers.transcript import within

ANNOTATIONS = "annotations"
CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
"""The kinds of calls, and the member that their text is."""
PREFIXES = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "custom_tool_call": "ctc",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A content part. `kind` is `content`, `refusal`, `reasoning` or `content_parts`: then `other`
    is the part as its provider made it."""

    kind: str
    text: Chain = None
    logprobs: Chain = None
    other: Any = None

    def to_json(self, annotations: list[Any]) -> dict[str, Any]:
        if self.kind == PARTS:
            return dict(self.other)
        text = text_of(self.text)
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": text}
        if self.kind == "reasoning":
            return {"type": "reasoning_text", "text": text}
        logprobs = [token for tokens in in_order(self.logprobs) for token in tokens]
        return {
            "type": "output_text",
            "text": text,
            "annotations": annotations,
            "logprobs": logprobs,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One output item. `kind` is its type; a call's text stands in `text` (`chars`: how long it
    is); `carried` is what the hub does not know of it, `annotations` how many of them are among
    that."""

    id: str
    kind: str
    index: int
    call_index: int = -1
    call_id: str = ""
    name: str = ""
    text: Chain = None
    chars: int = 0
    parts: tuple[Part, ...] = ()
    carried: Chain = None
    annotations: int = 0
    done: bool = False
    held: bool = False
    """A call of which nothing has been said yet: another one is being said."""

    def to_json(self, status: str) -> dict[str, Any]:
        more = self.more()
        first = next((n for n, part in enumerate(self.parts) if part.kind == "content"), None)
        annotations: list[Any] = []
        if first is not None and isinstance(more.get(ANNOTATIONS), list):
            annotations = [flat_annotation(one) for one in paced(more.pop(ANNOTATIONS))]
        item: dict[str, Any] = {"id": self.id, "type": self.kind, "status": status}
        if self.kind in CALLS:
            called = {"call_id": self.call_id, "name": self.name}
            return within({**item, **called, CALLS[self.kind]: text_of(self.text)}, more, CALL)
        content = [
            part.to_json(annotations if number == first else [])
            for number, part in enumerate(self.parts)
        ]
        if self.kind == "reasoning":
            return within({**item, "summary": self.summary(), "content": content}, more, DELTA)
        return within({**item, "role": "assistant", "content": content}, more, DELTA)

    def summary(self) -> list[dict[str, Any]]:
        """The thoughts where OpenAI's own clients look for them."""
        return [summary_part(text_of(part.text)) for part in self.parts]

    def more(self) -> dict[str, Any]:
        """What is carried, joined."""
        carried = Joined()
        for place, name, value in paced(in_order(self.carried)):
            carried.add(place, name, value)
        return {name: value for (_, name), value in carried.to_json(DELTA, CALL).items()}


def summary_part(text: Text) -> dict[str, Any]:
    return {"type": "summary_text", "text": text}


def flat_annotation(annotation: Any) -> Any:
    """Chat completions wrap what an annotation says in a member that is called as its type."""
    kind = annotation.get("type") if isinstance(annotation, dict) else None
    inner = annotation.get(kind) if isinstance(kind, str) else None
    if not isinstance(inner, dict):
        return annotation
    return {**{n: v for n, v in annotation.items() if n != kind}, **inner, "type": kind}


def wrapped_annotation(annotation: Any) -> Any:
    """A `flat_annotation` as chat completions have it."""
    kind = annotation.get("type") if isinstance(annotation, dict) else None
    if not isinstance(kind, str) or isinstance(annotation.get(kind), dict):
        return annotation
    return {"type": kind, kind: {name: v for name, v in annotation.items() if name != "type"}}


def chained(chain: Chain, place: Place, members: Mapping[str, Any]) -> Chain:
    """The chain of what is carried, with these members behind it."""
    for name, value in members.items():
        chain = (chain, (place, name, value))
    return chain
