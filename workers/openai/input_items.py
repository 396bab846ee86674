"""`GET /v1/responses/{id}/input_items`: what a response was asked, as items.

A request is kept as the messages that went to the provider, those of earlier turns among them; here
they are OpenAI's items again, the newest first unless asked otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hub.errors import FieldError
from hub.fanout.pace import paced
from hub.query import one_of, whole
from workers.openai.responses_items import ANNOTATIONS, flat_annotation
from workers.openai.responses_items import PREFIXES as _PREFIXES
from workers.provider.members import CALL, DELTA
from workers.request import Request
from workers.transcript import within

_TOLD = ("role", "content", "tool_calls")
_HUB_S = {"id": "", "status": "completed"}
"""What each item has beside what was said; its id is made where its number is known."""

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


def input_items(request: Request, name: str) -> list[dict[str, Any]]:
    """The items of a request, the oldest first; its instructions are not among them."""
    messages = request.messages[1 if request.echo.get("instructions") else 0 :]
    items = [item for message in paced(messages) for item in _items(message)]
    return [
        {**item, "id": f"{_PREFIXES.get(item['type'], 'msg')}_{name}_in{n}"}
        for n, item in enumerate(paced(items))
    ]


def _items(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A message as items: its text, then each of its calls."""
    role, content = message.get("role"), message.get("content")
    if role == "tool":
        yield {
            **_HUB_S,
            "type": "function_call_output",
            "call_id": message.get("tool_call_id"),
            "output": content if isinstance(content, str) else _content(message),
        }
        return
    calls = message.get("tool_calls") or ()
    more = {name: value for name, value in message.items() if name not in _TOLD}
    if content or more or not calls:
        parts = _content(message)
        _annotate(parts, more)
        own = {"type": "message", "role": role, "content": parts}
        yield within({**_HUB_S, **own}, more, DELTA)
    for call in calls:
        kind = "custom" if "custom" in call else "function"
        beside = {n: v for n, v in call.items() if n not in ("id", "type", kind)}
        if call.get("type", kind) != kind:
            beside["type"] = call["type"]
        item_type = "custom_tool_call" if kind == "custom" else "function_call"
        own = {"type": item_type, "call_id": call.get("id"), **(call.get(kind) or {})}
        yield within({**_HUB_S, **own}, beside, CALL)


def input_page(items: Sequence[dict[str, Any]], args: Mapping[str, str]) -> dict[str, Any]:
    """One page of the list. Raises `FieldError`."""
    limit = whole(args, "limit", 1, MAX_LIMIT, default=DEFAULT_LIMIT)
    ordered = list(items)
    if one_of(args, "order", ("desc", "asc")) != "asc":
        ordered.reverse()
    after = args.get("after")
    if after is not None:
        ids = [item["id"] for item in ordered]
        if after not in ids:
            raise FieldError("after", "is not the id of one of these items")
        ordered = ordered[ids.index(after) + 1 :]
    page = ordered[:limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(ordered) > limit,
    }


def _content(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    text_kind = "output_text" if message.get("role") == "assistant" else "input_text"
    if content is None:
        return []
    if isinstance(content, str):
        return [_text(text_kind, content)]
    return [_part(part, text_kind) for part in content]


def _annotate(content: list[dict[str, Any]], more: dict[str, Any]) -> None:
    """The message's annotations go to its first text, as in a response's output."""
    first = next((part for part in content if part["type"] == "output_text"), None)
    if first is not None and isinstance(more.get(ANNOTATIONS), list):
        first[ANNOTATIONS] = [flat_annotation(one) for one in more.pop(ANNOTATIONS)]


def _part(part: Mapping[str, Any], text_kind: str) -> dict[str, Any]:
    kind = str(part.get("type"))
    if kind == "text":
        return _text(text_kind, part.get("text"))
    image = part.get("image_url")
    if kind == "image_url" and isinstance(image, Mapping):
        more = {name: value for name, value in image.items() if name != "url"}
        return {"type": "input_image", "image_url": image.get("url"), **more}
    inner = part.get(kind)
    if kind == "file" and isinstance(inner, Mapping):
        return {"type": "input_file", **inner}
    return dict(part)


def _text(kind: str, text: Any) -> dict[str, Any]:
    part = {"type": kind, "text": text}
    return {**part, "annotations": []} if kind == "output_text" else part
