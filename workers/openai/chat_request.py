"""The body of `POST /v1/chat/completions`, checked; its errors are in OpenAI's words (§5).

What every provider knows is checked field by field, as for `POST /generations`. Whatever else the
body holds goes to the provider as it is: it may know it, and says so if not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hub.errors import FieldError, NotFound
from workers.request import Request, check_model, request_from_json

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
    if given.get("messages") is None:
        raise FieldError("messages", "is missing")
    allow(given.get("model"), models)
    checked = request_from_json({name: given[name] for name in _CHECKED if name in given})
    options = given.get("stream_options")
    if options is not None and not isinstance(options, Mapping):
        raise FieldError("stream_options", "must be an object")
    usage = flag(options or {}, "include_usage", "stream_options.include_usage")
    extra = {name: value for name, value in given.items() if name not in _OURS}
    return Asked(
        replace(checked, extra=extra, usage_in_stream=usage),
        flag(given, "stream"),
        cancel_on_disconnect(given),
    )


def mapping(body: object) -> Mapping[str, Any]:
    if not isinstance(body, Mapping):
        raise FieldError("body", "must be a JSON object")
    return body


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
