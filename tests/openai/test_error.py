"""What a failure is in the words of OpenAI: status, error object and headers, for every code."""

from __future__ import annotations

from typing import Any

import pytest

from workers.openai.error import error_json, headers_of, status_of
from workers.provider import failure


def failed(code: str, *, retryable: bool = False, **provider: Any) -> dict[str, Any]:
    told = {"provider": provider} if provider else {}
    return {"code": code, "message": "it broke", "retryable": retryable, **told}


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (failure.REFUSED, 400),
        (failure.CONTEXT_TOO_LONG, 400),
        (failure.REQUEST_TOO_LARGE, 413),
        (failure.RATE_LIMITED, 429),
        (failure.AUTH, 502),
        (failure.MALFORMED, 502),
        (failure.TRUNCATED, 502),
        (failure.UNAVAILABLE, 502),
        (failure.ANSWER_TOO_LARGE, 502),
        (failure.FIRST_DELTA_TIMEOUT, 504),
        (failure.STALL_TIMEOUT, 504),
        ("worker-lost", 500),
    ],
)
def test_every_code_of_ours_has_a_status_and_the_four_members(code: str, status: int) -> None:
    told = failed(code)
    assert status_of(told) == status
    assert error_json(told) == {
        "message": "it broke",
        "type": error_json(told)["type"],
        "param": None,
        "code": code,
    }


@pytest.mark.parametrize("answered", [400, 404, 413, 422, 429])
def test_these_statuses_of_a_provider_are_passed_on(answered: int) -> None:
    assert status_of(failed(failure.REFUSED, status=answered)) == answered


@pytest.mark.parametrize("answered", [401, 403, 500, 503, 529])
def test_other_statuses_of_a_provider_are_502(answered: int) -> None:
    code = failure.AUTH if answered < 500 else failure.UNAVAILABLE
    assert status_of(failed(code, status=answered)) == 502


def test_what_a_provider_says_of_the_hub_s_key_is_not_the_caller_s_error() -> None:
    said = {"message": "Incorrect API key", "code": "invalid_api_key", "param": "key"}
    told = failed(failure.AUTH, status=401, error=said)
    assert error_json(told)["code"] == "provider-auth"
    assert error_json(told)["param"] is None


@pytest.mark.parametrize(
    ("retryable", "seconds", "again"),
    [
        (True, None, "true"),
        (True, 1.5, "true"),
        (True, 60, "true"),
        (True, 61, "false"),
        (False, 1, "false"),
    ],
)
def test_asking_again_is_told_with_the_wait(
    retryable: bool, seconds: float | None, again: str
) -> None:
    told = {} if seconds is None else {"retry_after_seconds": seconds}
    headers = headers_of(failed(failure.RATE_LIMITED, retryable=retryable, status=429, **told))
    assert headers["x-should-retry"] == again
    if seconds is None:
        assert headers.keys() == {"x-should-retry"}
    else:
        assert int(headers["Retry-After"]) >= seconds
        assert headers["retry-after-ms"] == str(int(seconds * 1000))
