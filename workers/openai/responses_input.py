"""The items of a response's `input`, as messages of chat completions (contract §5).

One assistant's turn may be several items (thoughts, a text, calls): they become one message, as its
provider said it. What an item holds beyond OpenAI's own members goes where the provider of the
answer had put it: a call's `extra_content` back to the call, `reasoning_details` to the message.
What chat completions cannot express (another service's item) is refused by name rather than left
out in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hub.errors import FieldError
from workers.openai.responses_items import ANNOTATIONS, CALLS, wrapped_annotation
from workers.provider.calls import whole_call
from workers.provider.members import CALL, DELTA, Place
from workers.transcript import apart

Messages = list[dict[str, Any]]

_TEXTS = ("input_text", "output_text", "text", "summary_text", "reasoning_text")
_OF_ALL = frozenset({"id", "type", "status", "created_by"})
_OF_MESSAGES = _OF_ALL | {"role", "content"}
_OF_CALLS = _OF_ALL | {"call_id", "name", *CALLS.values()}
_OF_REASONING = _OF_ALL | {"summary", "content", "encrypted_content"}
_FILE = ("file_id", "file_data", "file_url", "filename")


class Conversation:
    """Messages, as they grow item by item. `find` gives the item that a reference names."""

    def __init__(self, messages: Messages, find: Callable[[str], Mapping[str, Any] | None]) -> None:
        self.messages = messages
        self._find = find
        self._thoughts: dict[str, Any] = {}
        self._thought = ""
        self._open = False

    def add(self, item: object, field: str) -> None:
        """Raises `FieldError`."""
        if not isinstance(item, Mapping):
            raise FieldError(field, "must be an object")
        kind = item.get("type", "message")
        if kind == "item_reference":
            self.add(self._referred(item, field), field)
        elif kind == "message":
            self._message(item, field)
        elif kind in ("function_call", "custom_tool_call"):
            self._call(item, str(kind))
        elif kind in ("function_call_output", "custom_tool_call_output"):
            call_id = string(item.get("call_id"), f"{field}.call_id")
            output = _content(item.get("output"), f"{field}.output")
            self._say({"role": "tool", "tool_call_id": call_id, "content": output})
        elif kind == "reasoning":
            self._reasoning(item)
        else:
            raise FieldError(f"{field}.type", f"{kind!r} is not supported here")

    def _referred(self, item: Mapping[str, Any], field: str) -> Mapping[str, Any]:
        found = self._find(string(item.get("id"), f"{field}.id"))
        if found is None:
            raise FieldError(f"{field}.id", "there is no such item here")
        return found

    def _message(self, item: Mapping[str, Any], field: str) -> None:
        role, content = item.get("role"), _content(item.get("content"), f"{field}.content")
        if role != "assistant":
            self._say({"role": role, "content": content})
            return
        message = self._assistant()
        if message["content"] is not None or message.get("tool_calls"):
            self._open = False
            message = self._assistant()
        message["content"] = content
        annotations = _annotations(item.get("content"))
        if annotations:
            message[ANNOTATIONS] = annotations
        message.update(_more(item, _OF_MESSAGES, DELTA))

    def _call(self, item: Mapping[str, Any], kind: str) -> None:
        text = item.get(CALLS[kind]) or ""
        more = _more(item, _OF_CALLS, CALL)
        inner = "custom" if kind == "custom_tool_call" else "function"
        call = whole_call(item.get("call_id"), inner, item.get("name"), text, more)
        message = self._assistant()
        if self._thought:
            message["reasoning_content"], self._thought = self._thought, ""
        message.setdefault("tool_calls", []).append(call)

    def _reasoning(self, item: Mapping[str, Any]) -> None:
        """Thoughts belong to what follows them. Their text is wanted with a call; what is signed
        (`reasoning_details`) must come back as it was."""
        self._open = False
        parts = item.get("content") or item.get("summary") or ()
        texts = [part.get("text") for part in parts if isinstance(part, Mapping)]
        self._thought += "".join(text for text in texts if isinstance(text, str))
        self._thoughts |= _more(item, _OF_REASONING, DELTA)

    def _assistant(self) -> dict[str, Any]:
        """The assistant's message that is being put together."""
        if not self._open:
            self._say({"role": "assistant", "content": None, **self._thoughts})
            self._thoughts = {}
            self._open = True
        return self.messages[-1]

    def _say(self, message: dict[str, Any]) -> None:
        self._open = False
        if message["role"] != "assistant":
            self._thought = ""
        self.messages.append(message)


def _more(item: Mapping[str, Any], own: frozenset[str], place: Place) -> dict[str, Any]:
    return {n: value for n, value in apart(item, own, place).items() if value is not None}


def _annotations(content: object) -> list[Any]:
    """Those of all texts. A provider may want them back (OpenRouter: a file that it has parsed)."""
    parts = content if isinstance(content, list) else []
    found = [part.get(ANNOTATIONS) for part in parts if part.get("type") == "output_text"]
    return [wrapped_annotation(one) for each in found if isinstance(each, list) for one in each]


def _content(content: object, field: str) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise FieldError(field, "must be a string or a list of parts")
    parts = [_part(part, f"{field}[{number}]") for number, part in enumerate(content)]
    if all(part["type"] == "text" for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def _part(part: object, field: str) -> dict[str, Any]:
    if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
        raise FieldError(field, "must be an object with a type")
    kind = part["type"]
    if kind in _TEXTS:
        return {"type": "text", "text": _text(part.get("text"), f"{field}.text")}
    if kind == "refusal":
        return {"type": "text", "text": _text(part.get("refusal"), f"{field}.refusal")}
    if kind == "input_image":
        return {"type": "image_url", "image_url": _image(part, field)}
    if kind == "input_file":
        file = {name: part[name] for name in _FILE if part.get(name) is not None}
        if not file.keys() - {"filename"}:
            raise FieldError(f"{field}.file_id", "is missing, and file_data and file_url, too")
        return {"type": "file", "file": file}
    return dict(part)  # audio, and what a provider has put into its content itself


def _image(part: Mapping[str, Any], field: str) -> dict[str, Any]:
    image = {"detail": part.get("detail") or "auto"}
    if isinstance(part.get("image_url"), str):
        return {"url": part["image_url"], **image}
    return {"file_id": string(part.get("file_id"), f"{field}.image_url"), **image}


def string(value: object, field: str) -> str:
    if not isinstance(value, str) or not value:
        raise FieldError(field, "must be a string that is not empty")
    return value


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise FieldError(field, "must be a string")
    return value
