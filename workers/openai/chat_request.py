"""The body of `POST /v1/chat/completions`, checked; its errors are in OpenAI's words (§5).

What the hub itself needs is checked, and as permissively as OpenAI checks it: whole numbers may
come as floats, members may be null, an answer without text may hold a call, audio or thoughts.
Whatever else the body holds goes to the provider as it is: it may know it, and says so if not. One
kind is refused: what would choose another model, address or key behind the hub
(`members.REFUSED`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from hub.errors import FieldError, NotFound
from workers.provider.members import REFUSED
from workers.request import (
    MAX_TOKENS,
    Request,
    check_messages,
    check_metadata,
    check_model,
    check_stop,
    check_temperature,
    check_tools,
)

MAX_CHOICES = 128
"""As OpenAI has it."""
LEAST_TOKENS = -2
"""Ollama, LM Studio and llama.cpp: -1 for as many as there are, -2 for as many as fit."""

_CHECKED = ("messages", "model", "temperature", "max_tokens", "n", "stop", "tools", "metadata")
_OURS = frozenset({*_CHECKED, "stream", "stream_options", "hubbub"})
_WISHES = frozenset({"cancel_on_disconnect"})


class UnknownModel(NotFound):
    """OpenAI's own code, which its packages look for."""

    code = "model_not_found"
    field = "model"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and how its answer is wanted."""

    request: Request
    stream: bool
    cancel_on_disconnect: bool


def chat_request(body: object, models: Collection[str] = ()) -> Asked:
    """Raises `FieldError`, `UnknownModel`."""
    given = mapping(body)
    if "messages" not in given:
        raise FieldError("messages", "is missing")
    options = given.get("stream_options", {})
    if not isinstance(options, Mapping):
        raise FieldError("stream_options", "must be an object")
    extra = {name: value for name, value in given.items() if name not in _OURS}
    more_options = {name: value for name, value in options.items() if name != "include_usage"}
    if more_options:
        extra["stream_options"] = more_options
    if given.get("store") and "metadata" in given:
        extra["metadata"] = given["metadata"]  # the provider stores it with the answer
    return Asked(
        checked_request(
            given,
            model=allow(given.get("model"), models),
            extra=extra,
            usage_in_stream=flag(options, "include_usage", "stream_options.include_usage"),
            store=given.get("store") is not False,
        ),
        flag(given, "stream"),
        cancel_on_disconnect(given),
    )


def checked_request(given: Mapping[str, Any], **more: Any) -> Request:
    """What chat completions and responses share of a request, checked. Raises `FieldError`."""
    return Request(
        messages=check_messages(given["messages"], may_be_empty=True),
        temperature=check_temperature(given.get("temperature")),
        max_tokens=_whole(given.get("max_tokens"), "max_tokens", LEAST_TOKENS, MAX_TOKENS),
        n=_whole(given.get("n"), "n", 1, MAX_CHOICES) or 1,
        stop=check_stop(given.get("stop")),
        tools=check_tools(given.get("tools")),
        metadata=check_metadata(given.get("metadata")),
        **more,
    )


def _whole(value: object, field: str, least: int, most: int) -> int | None:
    """A whole number, also one that was written as a float."""
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise FieldError(field, f"must be a whole number from {least} to {most}")
    return value


def mapping(body: object) -> Mapping[str, Any]:
    """The body's members that are not null. Raises `FieldError`, also for a member that may not be
    chosen from here."""
    if not isinstance(body, Mapping):
        raise FieldError("body", "must be a JSON object")
    given = {name: value for name, value in body.items() if value is not None}
    for name in given:
        if REFUSED.fullmatch(name):
            raise FieldError(
                name,
                "would choose another model, address or key than this hub's",
                code="unsupported_parameter",
            )
    return given


def allow(model: object, models: Collection[str]) -> str | None:
    name = check_model(model)
    if name is not None and models and name not in models:
        raise UnknownModel(f"The model {name!r} does not exist here or is not allowed")
    return name


def flag(given: Mapping[str, Any], name: str, field: str = "") -> bool:
    value = given.get(name)
    if value is not None and not isinstance(value, bool):
        raise FieldError(field or name, "must be true or false")
    return bool(value)


def cancel_on_disconnect(given: Mapping[str, Any]) -> bool:
    """The one field of ours: `"hubbub": {"cancel_on_disconnect": true}`."""
    wishes = given.get("hubbub")
    if wishes is None:
        return False
    if not isinstance(wishes, Mapping):
        raise FieldError("hubbub", "must be an object")
    for name in wishes:
        if name not in _WISHES:
            raise FieldError(f"hubbub.{name}", "is not a wish that the hub knows")
    return flag(wishes, "cancel_on_disconnect", "hubbub.cancel_on_disconnect")
