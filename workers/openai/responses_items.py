"""OpenAI's output items as values: what each holds, and how it looks as JSON.

The text so far is a chain of pieces, joined when it is asked for: several listeners may stand at
different places of one generation, and share what they have in common.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workers.provider.joining import Joined
from workers.provider.members import CALL, DELTA, PARTS, Place

Pieces = tuple[Any, Any] | None
"""A chain: what came before, and a piece."""

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
    text: Pieces = None
    logprobs: Pieces = None
    other: Any = None

    def to_json(self, annotations: list[Any]) -> dict[str, Any]:
        if self.kind == PARTS:
            return dict(self.other)
        text = joined(self.text)
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": text}
        if self.kind == "reasoning":
            return {"type": "reasoning_text", "text": text}
        logprobs = [token for tokens in _in_order(self.logprobs) for token in tokens]
        return {
            "type": "output_text",
            "text": text,
            "annotations": annotations,
            "logprobs": logprobs,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One output item. `kind` is its type; a call's text stands in `text`; `carried` is what the
    hub does not know of it, `annotations` how many of them are among that."""

    id: str
    kind: str
    index: int
    call_index: int = -1
    call_id: str = ""
    name: str = ""
    text: Pieces = None
    parts: tuple[Part, ...] = ()
    carried: Pieces = None
    annotations: int = 0
    done: bool = False
    held: bool = False
    """A call of which nothing has been said yet: another one is being said."""

    def to_json(self, status: str) -> dict[str, Any]:
        more = self.more()
        annotations: list[Any] = []
        if isinstance(more.get(ANNOTATIONS), list):
            annotations = [flat_annotation(one) for one in more.pop(ANNOTATIONS)]
        item: dict[str, Any] = {**more, "id": self.id, "type": self.kind, "status": status}
        if self.kind in CALLS:
            called = {"call_id": self.call_id, "name": self.name}
            return {**item, **called, CALLS[self.kind]: joined(self.text)}
        first = next((n for n, part in enumerate(self.parts) if part.kind == "content"), -1)
        content = [
            part.to_json(annotations if number == first else [])
            for number, part in enumerate(self.parts)
        ]
        if self.kind == "reasoning":
            return {**item, "summary": self.summary(), "content": content}
        return {**item, "role": "assistant", "content": content}

    def summary(self) -> list[dict[str, Any]]:
        """The thoughts where OpenAI's own clients look for them."""
        return [summary_part(joined(part.text)) for part in self.parts]

    def more(self) -> dict[str, Any]:
        """What is carried, joined."""
        carried = Joined()
        for place, name, value in _in_order(self.carried):
            carried.add(place, name, value)
        return {name: value for (_, name), value in carried.to_json(DELTA, CALL).items()}


def summary_part(text: str) -> dict[str, Any]:
    return {"type": "summary_text", "text": text}


def flat_annotation(annotation: Any) -> Any:
    """Chat completions wrap what an annotation says in a member that is called as its type."""
    kind = annotation.get("type") if isinstance(annotation, Mapping) else None
    inner = annotation.get(kind) if isinstance(kind, str) else None
    if not isinstance(inner, Mapping):
        return annotation
    return {**{n: v for n, v in annotation.items() if n != kind}, **inner, "type": kind}


def chained(chain: Pieces, place: Place, members: Mapping[str, Any]) -> Pieces:
    """The chain of what is carried, with these members behind it."""
    for name, value in members.items():
        chain = (chain, (place, name, value))
    return chain


def joined(pieces: Pieces) -> str:
    return "".join(_in_order(pieces))


def in_order(pieces: Pieces) -> list[Any]:
    return list(_in_order(pieces))


def _in_order(pieces: Pieces) -> Iterator[Any]:
    found = []
    while pieces is not None:
        pieces, piece = pieces
        found.append(piece)
    return reversed(found)
