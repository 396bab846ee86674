"""Every way a provider can fail, as one error with a stable code and the provider's own words.

| code | when | asked again |
| --- | --- | --- |
| `provider-auth` | key missing, wrong, or not allowed (401, 403) | no |
| `provider-rate-limited` | 429; `retryable` unless the quota itself is used up | yes |
| `provider-unavailable` | not reached, 408, 409, 425, 5xx, overloaded | yes |
| `provider-refused` | any other 4xx: unknown model, bad parameter, prompt filtered | no |
| `context-too-long` | the prompt does not fit the model | no |
| `provider-malformed` | what came is not a chat completion in any dialect | chunks, not pages |
| `provider-truncated` | the stream ended without `[DONE]` and without a finish reason | yes |
| `first-delta-timeout` | nothing of the answer came in time | no |
| `stall-timeout` | the answer began and then nothing of it came in time | no |
| `request-too-large` | the question is larger than `HUB_MAX_REQUEST_BYTES` | no |
| `generator-failed` | a generator of one's own raised, or yielded what it may not | no |
| `answer-too-large` | the answer is larger than `HUB_MAX_ANSWER_BYTES` | no |

The words are the provider's, cut to a bound and rid of anything that looks like a secret: they end
in events that any watcher of the generation reads. So is its error object (`said`), which OpenAI's
faces give back as it was named.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from hub.errors import HubError
from workers.provider import json_door
from workers.provider.json_door import NotJson, Unsound

AUTH: Final = "provider-auth"
RATE_LIMITED: Final = "provider-rate-limited"
UNAVAILABLE: Final = "provider-unavailable"
REFUSED: Final = "provider-refused"
CONTEXT_TOO_LONG: Final = "context-too-long"
MALFORMED: Final = "provider-malformed"
TRUNCATED: Final = "provider-truncated"
FIRST_DELTA_TIMEOUT: Final = "first-delta-timeout"
STALL_TIMEOUT: Final = "stall-timeout"
REQUEST_TOO_LARGE: Final = "request-too-large"
ANSWER_TOO_LARGE: Final = "answer-too-large"
GENERATOR_FAILED: Final = "generator-failed"

CODES: Final = frozenset(
    {
        AUTH,
        RATE_LIMITED,
        UNAVAILABLE,
        REFUSED,
        CONTEXT_TOO_LONG,
        MALFORMED,
        TRUNCATED,
        FIRST_DELTA_TIMEOUT,
        STALL_TIMEOUT,
        REQUEST_TOO_LARGE,
        ANSWER_TOO_LARGE,
        GENERATOR_FAILED,
    }
)
_ASKED_AGAIN = frozenset({RATE_LIMITED, UNAVAILABLE, MALFORMED, TRUNCATED})
_RETRYABLE = _ASKED_AGAIN | {FIRST_DELTA_TIMEOUT, STALL_TIMEOUT}
_ELSEWHERE = CODES - {
    REFUSED,
    CONTEXT_TOO_LONG,
    REQUEST_TOO_LARGE,
    ANSWER_TOO_LARGE,
    GENERATOR_FAILED,
}

_MAX_WORDS = 1000
_MAX_READ = 65_536
_MAX_SAID = 16_384
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_SECRETS = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), r"\1 [secret]"),
    (re.compile(r"\b(?:sk|gsk|xai|hf)[-_][\w*.-]{6,}"), "[secret]"),
    (re.compile(r"\bAIza[\w-]{20,}"), "[secret]"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), "[secret]"),
    (re.compile(r"(?i)([?&](?:api[-_]?key|key|token|signature)=)[^&\s\"']+"), r"\1[secret]"),
    (re.compile(r"://[^/@\s]+@"), "://[secret]@"),
)
_CONTEXT_WORDS = re.compile(
    r"(?i)context[ _-]?(?:length|window|size)|maximum context|prompt is too long"
    r"|too many (?:input |prompt )?tokens|exceeds? the (?:available )?context"
    r"|input (?:is too long|length)|reduce the length"
)
_QUOTA_WORDS = re.compile(r"(?i)insufficient_quota|billing|credit")


class ProviderFailure(HubError):
    """A generation cannot be answered, or not to its end.

    `code` is one of `CODES`; `detail` the reason for a reader; `retryable`: the same question may
    succeed later; `retry_after_seconds`: when, where the provider said so. `answered` is the HTTP
    status of its refusal (0: none), `said` its error object.
    """

    status = 502
    title = "The model's provider failed"

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        retryable: bool | None = None,
        retry_after_seconds: float | None = None,
        answered: int = 0,
        said: Mapping[str, Any] = _NOTHING,
    ) -> None:
        super().__init__(detail, code=code)
        self.retryable = code in _RETRYABLE if retryable is None else retryable
        self.retry_after_seconds = retry_after_seconds
        self.answered = answered
        self.said = said

    @property
    def message(self) -> str:
        return self.detail

    def scrubbed(self, secrets: Iterable[str]) -> ProviderFailure:
        """The same failure in words fit to be shown."""
        secrets = tuple(secrets)
        return ProviderFailure(
            self.code,
            scrub(self.detail, secrets),
            retryable=self.retryable,
            retry_after_seconds=self.retry_after_seconds,
            answered=self.answered,
            said=_bounded({name: _scrubbed(value, secrets) for name, value in self.said.items()}),
        )

    def as_failed(self) -> dict[str, Any]:
        """The data of the `failed` event that it is."""
        told = self.told()
        failed = {"code": self.code, "message": self.detail, "retryable": self.retryable}
        return failed if told is None else {**failed, "provider": told}

    def told(self) -> dict[str, Any] | None:
        """What the `failed` event says of the provider's own answer; None: there was none."""
        if not self.said and not self.answered:
            return None
        told: dict[str, Any] = {}
        if self.answered:
            told["status"] = self.answered
        if self.retry_after_seconds is not None:
            told["retry_after_seconds"] = round(self.retry_after_seconds, 3)
        if self.said:
            told["error"] = dict(self.said)
        return told

    @property
    def asked_again(self) -> bool:
        """The same provider may answer the same question in a moment."""
        return self.retryable and self.code in _ASKED_AGAIN

    @property
    def elsewhere(self) -> bool:
        """Another provider may answer where this one did not: it is not the question's fault."""
        return self.code in _ELSEWHERE


def scrub(words: str, secrets: Iterable[str] = ()) -> str:
    """The words on one line, bounded, without `secrets` and without what looks like one."""
    words = " ".join(words[:_MAX_READ].split())[: 4 * _MAX_WORDS]
    for secret in secrets:
        if secret:
            words = words.replace(secret, "[secret]")
    for pattern, replacement in _SECRETS:
        words = pattern.sub(replacement, words)
    return words if len(words) <= _MAX_WORDS else words[: _MAX_WORDS - 1] + "…"


def from_status(status: int, body: bytes) -> ProviderFailure:
    """The failure that an HTTP answer other than 200 stands for."""
    error = _error_of(_json(body))
    words = _words(error) if error is not None else _page_words(body.decode("utf-8", "replace"))
    return ProviderFailure(
        _code(status, error, words),
        f"the provider answered {status}: {words}" if words else f"the provider answered {status}",
        retryable=False if _QUOTA_WORDS.search(f"{_slug(error)} {words}") else None,
        answered=status,
        said=_said(error, words),
    )


def from_payload(payload: object) -> ProviderFailure | None:
    """The failure that a JSON body or chunk tells of, in any of the known forms; else None."""
    error = _error_of(payload)
    if error is None:
        return None
    return from_error(error)


def from_error(error: object) -> ProviderFailure:
    """The failure for a provider's error object or text, however it was wrapped."""
    error = _sound(error)
    words = _words(error) or "the provider reported an error without saying which"
    status = _status_in(error)
    return ProviderFailure(
        _code(status, error, words),
        words,
        retryable=False if _QUOTA_WORDS.search(f"{_slug(error)} {words}") else None,
        answered=status,
        said=_said(error, words),
    )


def _sound(error: object) -> object:
    """An error may be told by a chunk that is not looked at any further."""
    if isinstance(error, Mapping | list) and _is_vast(error):
        error = _plain(error) if isinstance(error, Mapping) else ""
    if json_door.depth(error) > json_door.MAX_DEPTH:
        return "the provider reported an error that is nested too deeply to be shown"
    return json_door.mended(error)


def _said(error: object, words: str) -> dict[str, Any]:
    """The error object with its words where OpenAI has them."""
    said = dict(error) if isinstance(error, Mapping) else {}
    return {**said, "message": words} if words else said


def _scrubbed(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        return scrub(value, secrets)
    if isinstance(value, Mapping):
        return {scrub(name, secrets): _scrubbed(inner, secrets) for name, inner in value.items()}
    if isinstance(value, list):
        return [_scrubbed(inner, secrets) for inner in value]
    return value


def _bounded(said: dict[str, Any]) -> dict[str, Any]:
    """The error object, or what OpenAI's has of it where it is too long."""
    return said if json_door.encoded_size(said) <= _MAX_SAID else _plain(said)


def _is_vast(error: object) -> bool:
    """Whether it holds so much that no look is taken at each value."""
    left = [error]
    found = 0
    while left and found + len(left) <= _MAX_SAID:
        value = left.pop()
        if isinstance(value, Mapping):
            left += value.values()
        elif isinstance(value, list):
            left += value
        found += 1
    return bool(left)


def _plain(said: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: said[name] for name in ("message", "type", "param", "code") if name in said}
    return {name: value for name, value in plain.items() if not isinstance(value, Mapping | list)}


def _error_of(payload: object) -> object | None:
    """The error object or text inside a payload."""
    if isinstance(payload, list) and payload:
        payload = payload[0]  # Gemini wraps its error in a list
    if not isinstance(payload, Mapping):
        return None
    error = payload.get("error")
    if error:
        return _unwrapped(error, payload)
    groq = payload.get("x_groq")
    if isinstance(groq, Mapping) and groq.get("error"):
        return _unwrapped(groq["error"], payload)
    if payload.get("object") == "error":
        return payload
    if "choices" not in payload and (payload.get("detail") or payload.get("message")):
        return payload
    return None


def _unwrapped(error: object, payload: Mapping[str, Any]) -> object:
    """`error: true` and the like: the words stand beside it."""
    return error if isinstance(error, str | Mapping) else payload


def _words(error: object) -> str:
    if isinstance(error, Mapping):
        for name in ("message", "detail", "msg", "error", "title"):
            value = error.get(name)
            if isinstance(value, str | Mapping | list) and value:
                error = value
                break
    if not isinstance(error, str):
        error = json.dumps(error, ensure_ascii=False) if error else ""
    return error[:_MAX_READ]


def _page_words(body: str) -> str:
    """A body that is not JSON: a proxy's page, or plain words."""
    return re.sub(r"(?s)<(script|style).*?</\1>|<[^>]*>", " ", body[:4000]).strip()[:300]


def _slug(error: object) -> str:
    if not isinstance(error, Mapping):
        return ""
    return f"{error.get('code') or ''} {error.get('type') or ''} {error.get('status') or ''}"


def _status_in(error: object) -> int:
    """An HTTP status inside an error object (OpenRouter, llama.cpp, vLLM); 0 without one."""
    if isinstance(error, Mapping):
        for name in ("code", "status", "status_code"):
            value = error.get(name)
            if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():
                value = int(value)
            if type(value) is int and 100 <= value < 600:
                return value
    return 0


def _code(status: int, error: object, words: str) -> str:
    slug = _slug(error).lower()
    if "context_length" in slug or "exceed_context" in slug:
        return CONTEXT_TOO_LONG
    if status in (0, 400, 413, 422, 500) and _CONTEXT_WORDS.search(words):
        return CONTEXT_TOO_LONG
    if status == 429 or "rate_limit" in slug or "insufficient_quota" in slug:
        return RATE_LIMITED
    if "content_filter" in slug or "content_policy" in slug or "moderation" in slug:
        return REFUSED
    if status in (401, 403) or "authentication" in slug or "invalid_api_key" in slug:
        return AUTH
    if status in (408, 409, 425) or status >= 500:
        return UNAVAILABLE
    if 300 <= status < 500 or "invalid_request" in slug or "not_found" in slug:
        return REFUSED
    # An error in a stream that says nothing of its kind: the provider's own trouble.
    return UNAVAILABLE


def _json(body: bytes) -> object:
    try:
        value = json_door.read(body)
        return json_door.mended(json_door.checked(value))
    except (NotJson, Unsound):
        return None
