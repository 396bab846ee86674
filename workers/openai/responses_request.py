"""The body of `POST /v1/responses`, as a question of chat completions (contract §5).

Providers speak chat completions, so the input becomes messages, function tools take the older
shape, and what has another name there gets it. What chat completions cannot express (hosted tools,
files by id) is refused by name rather than left out in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hub.errors import FieldError
from workers.openai.chat_request import Asked, allow, cancel_on_disconnect, flag, mapping
from workers.request import Request, request_from_json

_RENAMED = {"max_output_tokens": "max_tokens"}
_SAME = ("model", "temperature", "metadata")
_PASSED = (
    "top_p", "top_logprobs", "parallel_tool_calls", "user", "service_tier", "seed",
    "safety_identifier", "prompt_cache_key",
)  # fmt: skip
_OURS = ("input", "instructions", "tools", "tool_choice", "text", "reasoning", "stream", "hubbub")
_TAKEN = ("background", "store", "previous_response_id", "truncation", "include", "stream_options")
_KNOWN = frozenset({*_RENAMED, *_SAME, *_PASSED, *_OURS, *_TAKEN})

Messages = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ResponseAsked(Asked):
    background: bool


def response_request(
    body: object, models: Collection[str], earlier: Callable[[str], Sequence[Mapping[str, Any]]]
) -> ResponseAsked:
    """`earlier(response_id)` gives the messages of the response that this one continues.
    Raises `FieldError`, `NotFound`."""
    given = {name: value for name, value in mapping(body).items() if value is not None}
    for name in given:
        if name not in _KNOWN:
            raise FieldError(name, "is not supported here")
    allow(given.get("model"), models)
    asked = {_RENAMED.get(name, name): given[name] for name in (*_RENAMED, *_SAME) if name in given}
    asked["messages"] = _messages(given, earlier)
    asked["tools"] = _tools(given.get("tools", []))
    checked = request_from_json(asked)
    background = flag(given, "background")
    return ResponseAsked(
        replace(checked, extra=_extra(given), echo=_echo(given, background=background)),
        stream=flag(given, "stream"),
        cancel_on_disconnect=cancel_on_disconnect(given),
        background=background,
    )


def messages_after(request: Request, output: Sequence[Mapping[str, Any]]) -> Messages:
    """The conversation that a next response continues: this question (its instructions were for
    this one alone) and what was answered."""
    messages = [dict(message) for message in request.messages]
    if request.echo.get("instructions"):
        messages = messages[1:]
    for item in output:
        _add_item(messages, item, "output")
    return messages


def _messages(
    given: Mapping[str, Any], earlier: Callable[[str], Sequence[Mapping[str, Any]]]
) -> Messages:
    messages: Messages = []
    previous = given.get("previous_response_id")
    if previous is not None:
        messages += [
            dict(message) for message in earlier(_string(previous, "previous_response_id"))
        ]
    question = given.get("input")
    if isinstance(question, str):
        messages.append({"role": "user", "content": _string(question, "input")})
    elif isinstance(question, list) and question:
        for number, item in enumerate(question):
            _add_item(messages, item, f"input[{number}]")
    else:
        raise FieldError("input", "must be a string or a list of items")
    if given.get("instructions"):
        text = _string(given["instructions"], "instructions")
        messages.insert(0, {"role": "system", "content": text})
    return messages


def _add_item(messages: Messages, item: object, field: str) -> None:
    if not isinstance(item, Mapping):
        raise FieldError(field, "must be an object")
    kind = item.get("type", "message")
    if kind == "message":
        role, content = item.get("role"), _content(item.get("content"), f"{field}.content")
        messages.append({"role": role, "content": content})
    elif kind == "function_call":
        function = {"name": item.get("name"), "arguments": item.get("arguments") or ""}
        call = {"id": item.get("call_id"), "type": "function", "function": function}
        last = messages[-1] if messages else {}
        if last.get("role") == "assistant" and last.get("tool_calls"):
            last["tool_calls"].append(call)
        else:
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
    elif kind == "function_call_output":
        call_id = _string(item.get("call_id"), f"{field}.call_id")
        output = _content(item.get("output"), f"{field}.output")
        messages.append({"role": "tool", "tool_call_id": call_id, "content": output})
    elif kind != "reasoning":  # a model's own thoughts are not given back to it
        raise FieldError(f"{field}.type", f"{kind!r} is not supported here")


def _content(content: object, field: str) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        raise FieldError(field, "must be a string or a list of parts")
    parts = [_part(part, f"{field}[{number}]") for number, part in enumerate(content)]
    if all(part["type"] == "text" for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def _part(part: object, field: str) -> dict[str, Any]:
    if not isinstance(part, Mapping):
        raise FieldError(field, "must be an object")
    kind = part.get("type")
    if kind in ("input_text", "output_text", "text"):
        return {"type": "text", "text": _string(part.get("text"), f"{field}.text")}
    if kind == "refusal":
        return {"type": "text", "text": _string(part.get("refusal"), f"{field}.refusal")}
    if kind == "input_image" and isinstance(part.get("image_url"), str):
        image = {"url": part["image_url"], "detail": part.get("detail") or "auto"}
        return {"type": "image_url", "image_url": image}
    raise FieldError(f"{field}.type", f"{kind!r} is not supported here")


def _tools(tools: object) -> list[dict[str, Any]]:
    if not isinstance(tools, list):
        raise FieldError("tools", "must be a list of objects")
    found = []
    for number, tool in enumerate(tools):
        if not isinstance(tool, Mapping) or tool.get("type") != "function":
            raise FieldError(f"tools[{number}].type", "only functions are supported here")
        function = {name: value for name, value in tool.items() if name != "type"}
        found.append({"type": "function", "function": function})
    return found


def _extra(given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that go to the provider as they are, under their older names."""
    extra = {name: given[name] for name in _PASSED if name in given}
    if "top_logprobs" in extra:
        extra["logprobs"] = True
    choice = given.get("tool_choice")
    if isinstance(choice, Mapping) and choice.get("type") == "function":
        extra["tool_choice"] = {"type": "function", "function": {"name": choice.get("name")}}
    elif choice is not None:
        extra["tool_choice"] = choice
    form = _object(given, "text").get("format")
    if isinstance(form, Mapping) and form.get("type") == "json_schema":
        schema = {name: value for name, value in form.items() if name != "type"}
        extra["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif isinstance(form, Mapping) and form.get("type") == "json_object":
        extra["response_format"] = {"type": "json_object"}
    effort = _object(given, "reasoning").get("effort")
    if effort is not None:
        extra["reasoning_effort"] = effort
    return extra


def _echo(given: Mapping[str, Any], *, background: bool) -> dict[str, Any]:
    """What the answers repeat of the question, in its own words."""
    repeated = (
        "instructions", "max_output_tokens", "parallel_tool_calls", "previous_response_id",
        "reasoning", "temperature", "text", "tool_choice", "tools", "top_p", "metadata", "user",
    )  # fmt: skip
    return {"background": background, **{name: given[name] for name in repeated if name in given}}


def _object(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = given.get(name, {})
    if not isinstance(value, Mapping):
        raise FieldError(name, "must be an object")
    return value


def _string(value: object, field: str) -> str:
    if not isinstance(value, str) or not value:
        raise FieldError(field, "must be a string that is not empty")
    return value
