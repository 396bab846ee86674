"""A generation that failed, in the words of OpenAI's interface: its error object, its status, and
what a client should do next.

Clients decide by these: they look for `code` (`context_length_exceeded`), name `param`, and ask
again after 429 and 5xx unless they are told not to. So what the provider itself named is given back
as it named it; the hub's own slugs stand where it named nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from flask import Response

from hub.web.json_response import json_answer
from workers.provider import failure

PATIENCE_SECONDS = 60.0
"""Packages wait so long as they are told to, and no longer."""

_AS_THEY_ARE = frozenset({400, 404, 413, 422, 429})
_STATUS = {
    failure.RATE_LIMITED: 429,
    failure.REFUSED: 400,
    failure.CONTEXT_TOO_LONG: 400,
    failure.REQUEST_TOO_LARGE: 413,
    failure.ANSWER_TOO_LARGE: 502,
    failure.AUTH: 502,
    failure.UNAVAILABLE: 502,
    failure.MALFORMED: 502,
    failure.TRUNCATED: 502,
    failure.FIRST_DELTA_TIMEOUT: 504,
    failure.STALL_TIMEOUT: 504,
    "cancelled": 400,
}
"""Not 401 for `provider-auth`: it is not the caller's key that is wrong."""
_NAMED = {"model_not_found": 404, "rate_limit_exceeded": 429, "insufficient_quota": 429}


def error_json(failed: Mapping[str, Any]) -> dict[str, Any]:
    """The error object for the data of a `failed` event."""
    said = _said(failed)
    if failed["code"] == failure.AUTH:
        said = {}  # about a key that the caller has never seen
    own: dict[str, Any] = {
        "message": said.get("message") or failed["message"],
        "type": said.get("type") or _type(failed),
        "param": said.get("param"),
        "code": said.get("code") or failed["code"],
    }
    return {**own, **{name: value for name, value in said.items() if name not in own}}


def error_answer(failed: Mapping[str, Any]) -> Response:
    """The answer to a request that the data of a `failed` event is."""
    answer = json_answer({"error": error_json(failed)}, status_of(failed))
    answer.headers.update(headers_of(failed))
    return answer


def status_of(failed: Mapping[str, Any]) -> int:
    """The HTTP status for the data of a `failed` event."""
    told = failed.get("provider") or {}
    status: int = told.get("status", 0)
    if status in _AS_THEY_ARE and failed["code"] != failure.AUTH:
        return status
    return _NAMED.get(str(_said(failed).get("code"))) or _STATUS.get(failed["code"], 500)


def headers_of(failed: Mapping[str, Any]) -> dict[str, str]:
    """When, and whether, to ask again."""
    seconds = (failed.get("provider") or {}).get("retry_after_seconds")
    again = bool(failed.get("retryable")) and (seconds is None or seconds <= PATIENCE_SECONDS)
    headers = {"x-should-retry": "true" if again else "false"}
    if seconds is not None:
        headers["Retry-After"] = str(math.ceil(seconds))
        headers["retry-after-ms"] = str(math.ceil(seconds * 1000))
    return headers


def _said(failed: Mapping[str, Any]) -> Mapping[str, Any]:
    said = (failed.get("provider") or {}).get("error")
    return said if isinstance(said, Mapping) else {}


def _type(failed: Mapping[str, Any]) -> str:
    status = status_of(failed)
    if status == 429:
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"
