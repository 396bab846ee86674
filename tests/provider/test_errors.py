"""Errors in every form, each to its code, in the provider's words and without secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.provider.conftest import QUESTION, Reader
from tests.provider.reading import chunk, join, line
from tests.provider.replay import ReplayServer, Reply
from workers.provider import Delta, ProviderConfig, ProviderFailure, Providers
from workers.provider import stream as stream_module
from workers.provider.failure import CODES, scrub

Asking = Callable[..., Providers]

KEY = "sk-hub-0123456789abcdef"


def failed(body: str, read: Reader) -> ProviderFailure:
    with pytest.raises(ProviderFailure) as caught:
        read(body)
    assert caught.value.code in CODES
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        line({"error": {"message": "it broke", "type": "server_error", "code": None}}),
        line({"error": "it broke"}),
        line({"error": True, "message": "it broke"}),
        line({"object": "error", "message": "it broke", "code": 50000}),
        line({"choices": [], "error": {"message": "it broke", "code": 502}}),
        line(
            {"choices": [{"delta": {}, "finish_reason": "error"}], "error": {"message": "it broke"}}
        ),
        line({"choices": [{"finish_reason": "error", "error": {"message": "it broke"}}]}),
        line({"x_groq": {"error": "it broke"}, "choices": [{"delta": {}}]}),
        'event: error\ndata: {"error": {"message": "it broke"}}\n\n',
        'event: error\ndata: {"message": "it broke"}\n\n',
        "event: error\ndata: it broke\n\n",
        'event: error\ndata: "it broke"\n\n',
        'error: {"code": 500, "message": "it broke", "type": "server_error"}\n\n',
        line([{"error": {"message": "it broke", "status": "UNAVAILABLE", "code": 503}}]),
        json.dumps({"error": {"message": "it broke", "code": 500}}),
        json.dumps([{"error": {"message": "it broke", "code": 503}}], indent=1),
        json.dumps({"detail": "it broke"}),
    ],
)
@pytest.mark.parametrize("before", ["", chunk({"content": "half"})])
def test_an_error_in_any_form_is_a_failure_in_the_provider_s_words(
    read: Reader, before: str, body: str
) -> None:
    if before and not body.startswith(("data", "event", "error")):
        before = ""  # a document has nothing before it
    error = failed(before + body, read)
    assert (error.code, error.detail, error.retryable) == ("provider-unavailable", "it broke", True)


def test_an_error_without_words_says_so(read: Reader) -> None:
    error = failed(line({"choices": [{"delta": {}, "finish_reason": "error"}]}), read)
    assert error.code == "provider-unavailable"
    assert error.detail


@pytest.mark.parametrize("error", [None, "", {}, False])
def test_an_empty_error_field_is_no_error(read: Reader, error: object) -> None:
    assert read(chunk({"content": "x"}, "stop", error=error)).text == "x"


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        ({"message": "m", "code": 429}, "provider-rate-limited", True),
        ({"message": "m", "code": "429"}, "provider-rate-limited", True),
        ({"message": "m", "type": "rate_limit_exceeded"}, "provider-rate-limited", True),
        ({"message": "m", "code": "insufficient_quota"}, "provider-rate-limited", False),
        ({"message": "m", "code": 401}, "provider-auth", False),
        ({"message": "m", "code": "invalid_api_key"}, "provider-auth", False),
        ({"message": "m", "type": "overloaded_error"}, "provider-unavailable", True),
        ({"message": "m", "code": "context_length_exceeded"}, "context-too-long", False),
        ({"message": "m", "type": "exceed_context_size_error"}, "context-too-long", False),
        ({"message": "This model's maximum context length is 8"}, "context-too-long", False),
        ({"message": "m", "type": "invalid_request_error"}, "provider-refused", False),
        ({"message": "m", "code": "content_policy_violation"}, "provider-refused", False),
    ],
)
def test_an_error_inside_the_stream_gets_its_code_from_what_it_says(
    read: Reader, error: object, code: str, retryable: bool
) -> None:
    failure = failed(line({"error": error}), read)
    assert (failure.code, failure.retryable) == (code, retryable)


def answered(server: ReplayServer, asking: Asking, reply: Reply) -> ProviderFailure:
    server.replies += [reply] * 4
    providers = asking(wait=lambda closing, seconds: None)
    with pytest.raises(ProviderFailure) as caught, providers.open(QUESTION) as stream:
        join(stream)
    return caught.value


def error_reply(status: int, error: object) -> Reply:
    body = error if isinstance(error, str) else json.dumps(error)
    return Reply([body.encode()], status, "application/json", framing="length")


@pytest.mark.parametrize(
    ("status", "error", "code", "retryable"),
    [
        (400, {"error": {"message": "no such field"}}, "provider-refused", False),
        (400, {"error": {"code": "context_length_exceeded"}}, "context-too-long", False),
        (400, {"error": {"message": "prompt is too long: 9 tokens"}}, "context-too-long", False),
        (400, {"error": {"code": "content_filter", "message": "m"}}, "provider-refused", False),
        (401, {"error": {"message": "m"}}, "provider-auth", False),
        (402, {"error": {"message": "no credits"}}, "provider-refused", False),
        (403, {"error": {"message": "m"}}, "provider-auth", False),
        (403, {"error": {"message": "m", "code": "moderation"}}, "provider-refused", False),
        (404, {"error": {"message": "no such model"}}, "provider-refused", False),
        (408, "", "provider-unavailable", True),
        (413, {"message": "too many tokens"}, "context-too-long", False),
        (422, {"detail": [{"loc": ["body", "n"], "msg": "bad"}]}, "provider-refused", False),
        (429, {"error": {"message": "slow down"}}, "provider-rate-limited", True),
        (429, {"error": {"code": "insufficient_quota"}}, "provider-rate-limited", False),
        (500, {"error": {"message": "m"}}, "provider-unavailable", True),
        (502, "<html><h1>Bad gateway</h1></html>", "provider-unavailable", True),
        (529, {"error": {"type": "overloaded_error"}}, "provider-unavailable", True),
        (204, "", "provider-unavailable", True),
        (307, "", "provider-refused", False),
    ],
)
def test_a_status_gets_its_code(
    server: ReplayServer, asking: Asking, status: int, error: object, code: str, retryable: bool
) -> None:
    failure = answered(server, asking, error_reply(status, error))
    assert (failure.code, failure.retryable) == (code, retryable)
    assert str(status) in failure.detail


def test_a_gateway_s_page_is_quoted_without_its_markup(
    server: ReplayServer, asking: Asking
) -> None:
    page = "<html><style>b{}</style><h1>Bad</h1> <p>gateway</p>"
    failure = answered(server, asking, error_reply(502, page))
    assert failure.detail == "the provider answered 502: Bad gateway"


def test_a_page_in_place_of_an_answer_is_malformed_and_asked_for_once(
    server: ReplayServer, asking: Asking
) -> None:
    failure = answered(server, asking, Reply([b"<h1>Welcome</h1>"], content_type="text/html"))
    assert (failure.code, failure.retryable) == ("provider-malformed", False)
    assert "Welcome" in failure.detail
    assert len(server.asked) == 1


def test_an_error_body_without_end_is_not_read_to_its_end(
    server: ReplayServer, asking: Asking
) -> None:
    failure = answered(server, asking, Reply([b"x" * 65536] * 64, 400, framing="close"))
    assert failure.code == "provider-refused"
    assert len(failure.detail) <= 1000


def test_an_error_body_that_does_not_come_is_not_waited_for_for_long(
    server: ReplayServer, asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "_ERROR_BODY_SECONDS", 0.2)
    server.replies = [Reply([b"because"], 400, hold=True)]
    with pytest.raises(ProviderFailure) as caught:
        join(asking().open(QUESTION))
    assert caught.value.detail == "the provider answered 400: because"


def test_the_key_is_nowhere_in_a_failure(server: ReplayServer, asking: Asking) -> None:
    words = f"Incorrect API key provided: {KEY}. Header: Bearer {KEY}, ?api_key={KEY}&x=1"
    server.replies.append(error_reply(401, {"error": {"message": words}}))
    config = ProviderConfig("here", server.base_url, KEY, headers={"X-Key": "0123456789"})
    with pytest.raises(ProviderFailure) as caught:
        join(asking(configs=[config]).open(QUESTION))
    assert KEY not in f"{caught.value!r}{caught.value}{caught.value.args}{config!r}"
    assert "Incorrect API key provided: [secret]" in caught.value.detail
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert server.asked[0].headers["x-key"] == "0123456789"


@pytest.mark.parametrize(
    "words",
    [
        "key sk-proj-abc***xyz12 is wrong",
        "AIzaSyA0123456789012345678901234567890",
        "Authorization: Bearer abcdef123456",
        "http://user:secret99@proxy:3128 failed",
        "jwt eyJhbGciOi.eyJzdWIiOi.abc-def",
        "GET /v1?api_key=abcdefghi&x=1",
    ],
)
def test_what_looks_like_a_secret_is_scrubbed_wherever_it_comes_from(words: str) -> None:
    scrubbed = scrub(words)
    assert "[secret]" in scrubbed
    for secret in ("xyz12", "AIza", "abcdef", "secret99", "eyJ"):
        assert secret not in scrubbed


def test_ordinary_words_are_left_alone() -> None:
    words = "the task-manager asked for gpt-4o-mini with top_k-sampling at https://x.org/a?b=1"
    assert scrub(words) == words


@pytest.mark.parametrize("ending", ["\n\n", "\n", ""], ids=["whole", "no blank line", "no end"])
@pytest.mark.parametrize("joint", ["\n\n", "\n"], ids=["two events", "one event"])
def test_text_is_kept_whether_an_error_comes_with_it_or_after_it(
    server: ReplayServer, asking: Asking, joint: str, ending: str
) -> None:
    text = chunk({"content": "x"}).rstrip("\n") + joint
    error = line({"error": {"message": "on fire"}}).rstrip("\n") + ending
    for pieces in ([text + error], [text, error], [text[:-1], text[-1] + error]):
        server.replies = [Reply([piece.encode() for piece in pieces])]
        stream = asking().open(QUESTION)
        said: list[object] = []
        with pytest.raises(ProviderFailure) as caught:
            for part in stream:
                said.append(part)
        assert [part.value for part in said if isinstance(part, Delta)] == ["x"]
        assert (caught.value.detail, stream.tries) == ("on fire", 1)


def test_a_question_that_is_too_large_is_not_sent(server: ReplayServer, asking: Asking) -> None:
    question = replace(QUESTION, messages=[{"role": "user", "content": "?" * 2000}])
    with pytest.raises(ProviderFailure) as caught:
        join(asking(max_request_bytes=2000).open(question))
    assert (caught.value.code, caught.value.retryable) == ("request-too-large", False)
    assert server.asked == []
