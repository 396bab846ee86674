"""Every way a call can fail, split by whose fault it is.

    HubError                    has a stable `code`, an HTTP `status`, a `title` and a `detail`
    ├── RequestError            the caller's fault: nothing was stored
    │   ├── FieldError          one named field of the request is wrong (400)
    │   ├── Unauthorized        401: no token, or one that does not count
    │   ├── NotFound            404
    │   ├── Forbidden           403
    │   │   ├── NotGranted      403, the token does not allow this
    │   │   └── CrossOrigin     403, a change asked for by a page of another origin
    │   ├── UnknownHost         421, an open hub was called by a name that is not its own
    │   ├── BodyTimeout         408
    │   ├── TooLarge            413
    │   ├── UnsupportedMediaType 415
    │   ├── KeyReused           422, an Idempotency-Key with another body
    │   └── TooMany             429: a limit of this subject's or address' is reached
    ├── Refused                 the record did not hold what the writer expected: it was fenced off
    ├── Overloaded              503: no more streams at the moment
    ├── ProviderUnavailable     503: the identity provider, and nobody can be told from a forger
    └── RedisFailure            Redis did not do what was asked
        ├── RedisUnavailable    503: it did not answer, and nothing may be concluded; it passes
        ├── RedisRefused        500: it refused for good, and nothing was stored
        └── RedisUnfit          it lacks what the hub needs: the start stops

Library exceptions are translated where they occur (Redis': `store.redis_failure`); the HTTP answer
is chosen in one handler (`web.problems`).
"""

from __future__ import annotations

from collections.abc import Mapping

_SHOWN_CHARS = 500
"""Of what a caller wrote: a name may be megabytes, and is not sent back."""


class HubError(Exception):
    """Base of every error that Hubbub raises on purpose."""

    status = 500
    code = "internal"
    title = "Something went wrong"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class RequestError(HubError):
    """The request cannot be carried out as it stands."""

    status = 400
    code = "invalid-request"
    title = "The request is not valid"
    field: str | None = None


class FieldError(RequestError):
    """One field is wrong; `field` names it as the caller wrote it."""

    code = "invalid-field"

    def __init__(self, field: str, problem: str, *, code: str | None = None) -> None:
        self.field = _brief(field)
        self.problem = _brief(problem)
        super().__init__(f"{self.field}: {self.problem}", code=code)


class Unauthorized(RequestError):
    """`detail` is also the `error_description` of the answer's `WWW-Authenticate`: it must hold no
    quotation mark and no backslash, and help nobody who forges."""

    status = 401
    code = "invalid-token"
    title = "This hub asks for a token"


class NotFound(RequestError):
    status = 404
    code = "not-found"
    title = "There is no such thing here"


class Forbidden(RequestError):
    status = 403
    code = "forbidden"
    title = "This is not allowed"


class NotGranted(Forbidden):
    """The token counts, and does not allow this."""


class CrossOrigin(Forbidden):
    code = "cross-origin"
    title = "Pages of another origin may not do this"


class UnknownHost(RequestError):
    status = 421
    code = "unknown-host"
    title = "This hub does not answer to that host"


class BodyTimeout(RequestError):
    status = 408
    code = "body-timeout"
    title = "The request's body did not come"


class TooLarge(RequestError):
    status = 413
    code = "event-too-large"
    title = "What was sent is too large"


class UnsupportedMediaType(RequestError):
    status = 415
    code = "unsupported-media-type"
    title = "The body's type is not one of ours"


class KeyReused(RequestError):
    status = 422
    code = "idempotency-key-reused"
    title = "The Idempotency-Key was used with another body"


class TooMany(RequestError):
    """`headers` say what the limit is and when to come back."""

    status = 429
    code = "rate-limited"
    title = "Too many requests"

    def __init__(
        self, detail: str, *, code: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail, code=code)
        self.headers = dict(headers or {})


class Refused(HubError):
    """An append found another writer in its place; nothing was stored.

    `found` holds the record's fields that differ from what was expected.
    """

    status = 409
    code = "refused"
    title = "Another writer has taken over"

    def __init__(self, detail: str, found: dict[str, str]) -> None:
        super().__init__(detail)
        self.found = found


class ProviderUnavailable(HubError):
    """No key of the identity provider's is known yet."""

    status = 503
    code = "identity-provider-unavailable"
    title = "The identity provider does not answer"
    retry_after_seconds = 5


class RedisFailure(HubError):
    """Redis did not do what was asked. `detail` shows neither its address nor its words."""


class RedisUnavailable(RedisFailure):
    """It may pass: what was asked may or may not have happened, and may be asked again."""

    status = 503
    code = "redis-unavailable"
    title = "Redis does not answer"
    retry_after_seconds = 2


class RedisRefused(RedisFailure):
    """It will not pass by itself: a right, a command, a password is missing, or a value is too
    large. Nothing was stored; the log names the command."""

    status = 500
    code = "redis-refused"
    title = "Redis refuses what is asked of it"


class RedisUnfit(RedisFailure):
    """Its version is too old, or a right is missing: no process starts with it."""

    code = "redis-unfit"
    title = "This Redis will not do"


class Overloaded(HubError):
    status = 503
    code = "overloaded"
    title = "No more streams at the moment"
    retry_after_seconds = 5


def _brief(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
