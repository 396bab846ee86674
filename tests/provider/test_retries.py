"""Trying again: only before the first content, politely, and only where it can help."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate

import pytest

from tests.provider.conftest import QUESTION
from tests.provider.reading import DONE, chunk, join
from tests.provider.replay import ReplayServer, Reply
from workers.provider import Delta, Part, ProviderConfig, ProviderFailure, Providers
from workers.provider.retry import pause_seconds, retry_after_seconds

Asking = Callable[..., Providers]

GOOD = Reply([(chunk({"content": "x"}) + chunk({}, "stop") + DONE).encode()])
BUSY = Reply(status=503, framing="length")


class Pauses:
    """Stands in for waiting, and remembers what was waited for."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, closing: threading.Event, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


def test_a_busy_provider_is_asked_again_until_it_answers(
    server: ReplayServer, asking: Asking, pauses: Pauses
) -> None:
    server.replies = [BUSY, BUSY, GOOD]
    stream = asking(wait=pauses, chance=lambda: 1.0).open(QUESTION)
    assert join(stream).text == "x"
    assert (stream.tries, pauses.seconds) == (3, [0.5, 1.0])


def test_after_four_tries_it_is_a_failure(
    server: ReplayServer, asking: Asking, pauses: Pauses
) -> None:
    server.replies = [BUSY] * 5
    stream = asking(wait=pauses, chance=lambda: 1.0).open(QUESTION)
    with pytest.raises(ProviderFailure) as caught:
        join(stream)
    assert caught.value.code == "provider-unavailable"
    assert (len(server.asked), pauses.seconds) == (4, [0.5, 1.0, 2.0])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_cannot_get_better_is_asked_once(
    server: ReplayServer, asking: Asking, pauses: Pauses, status: int
) -> None:
    server.replies = [Reply(status=status, framing="length"), GOOD]
    with pytest.raises(ProviderFailure):
        join(asking(wait=pauses).open(QUESTION))
    assert (len(server.asked), pauses.seconds) == (1, [])


def test_after_the_first_content_nothing_is_asked_again(
    server: ReplayServer, asking: Asking, pauses: Pauses
) -> None:
    server.replies = [Reply([chunk({"content": "half"}).encode()], framing="cut"), GOOD]
    parts: list[Part] = []
    with pytest.raises(ProviderFailure) as caught:
        parts.extend(asking(wait=pauses).open(QUESTION))
    assert caught.value.code == "provider-truncated"
    assert Delta(0, "content", "half") in parts
    assert len(server.asked) == 1


@pytest.mark.parametrize("framing", ["cut", "close", "chunked"])
@pytest.mark.parametrize("body", ["", chunk({"role": "assistant", "content": ""})])
def test_a_stream_cut_before_its_first_content_is_asked_for_again(
    server: ReplayServer, asking: Asking, pauses: Pauses, framing: str, body: str
) -> None:
    server.replies = [Reply([body.encode()], framing=framing), GOOD]
    answer = join(asking(wait=pauses).open(QUESTION))
    assert (answer.text, answer.model) == ("x", "m1")


def test_an_error_before_the_first_content_is_retried_though_the_status_was_200(
    server: ReplayServer, asking: Asking, pauses: Pauses
) -> None:
    server.replies = [Reply([b'data: {"error": {"code": 503, "message": "m"}}\n\n']), GOOD]
    assert join(asking(wait=pauses).open(QUESTION)).text == "x"


def test_a_provider_that_is_not_there_is_unavailable(asking: Asking, pauses: Pauses) -> None:
    nowhere = ProviderConfig("nowhere", "http://127.0.0.1:9/v1")
    stream = asking(configs=[nowhere], wait=pauses).open(QUESTION)
    with pytest.raises(ProviderFailure) as caught:
        join(stream)
    assert caught.value.code == "provider-unavailable"
    assert "nowhere cannot be reached: Connection refused" in caught.value.detail
    assert stream.tries == 4


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.25"}, 0.25),
        ({"Retry-After": formatdate(1_000_030, usegmt=True)}, 30.0),
        ({"Retry-After": formatdate(999_000, usegmt=True)}, 0.0),
        ({"retry-after-ms": "1500", "Retry-After": "2"}, 1.5),
    ],
)
def test_retry_after_is_obeyed_in_every_form(
    server: ReplayServer, asking: Asking, pauses: Pauses, headers: dict[str, str], seconds: float
) -> None:
    server.replies = [Reply(status=429, headers=headers, framing="length"), GOOD]
    providers = asking(wait=pauses, now=lambda: 1_000_000.0, chance=lambda: 0.0)
    assert join(providers.open(QUESTION)).text == "x"
    assert pauses.seconds == [seconds]


@pytest.mark.parametrize("value", ["soon", "-3", "nan", "inf", "", "Thu, 99 Foo 2026"])
def test_a_retry_after_that_says_nothing_is_as_none(value: str) -> None:
    assert retry_after_seconds({"retry-after": value}, now=0.0) is None


def test_asked_to_wait_longer_than_a_reader_would_it_fails_at_once_and_says_how_long(
    server: ReplayServer, asking: Asking, pauses: Pauses
) -> None:
    server.replies = [Reply(status=429, headers={"Retry-After": "3600"}, framing="length")]
    with pytest.raises(ProviderFailure) as caught:
        join(asking(wait=pauses).open(QUESTION))
    assert (caught.value.code, caught.value.retryable) == ("provider-rate-limited", True)
    assert caught.value.retry_after_seconds == 3600
    assert pauses.seconds == []


def test_pauses_grow_with_jitter_and_are_never_shorter_than_asked_for() -> None:
    for chance in (0.0, 0.5, 1.0):
        pauses = [pause_seconds(tries, None, chance) for tries in (1, 2, 3, 4)]
        assert pauses == [(0.5 + 0.5 * chance) * longest for longest in (0.5, 1, 2)] + [None]
        asked = pause_seconds(1, 5.0, chance)
        assert asked is not None
        assert 5.0 <= asked <= 5.25


@pytest.mark.parametrize("words", ["Unknown field: stream_options", "include_usage: not permitted"])
@pytest.mark.parametrize("status", [400, 422])
def test_a_provider_that_rejects_stream_options_is_asked_without_at_once_and_from_then_on(
    server: ReplayServer, asking: Asking, pauses: Pauses, words: str, status: int
) -> None:
    refusal = Reply([b'{"error": {"message": "%s"}}' % words.encode()], status, "application/json")
    server.replies = [refusal, GOOD, GOOD]
    providers = asking(wait=pauses)
    assert join(providers.open(QUESTION)).text == "x"
    assert join(providers.open(QUESTION)).text == "x"
    assert [asked.body.get("stream_options") for asked in server.asked] == [
        {"include_usage": True},
        None,
        None,
    ]
    assert pauses.seconds == []


THOUGHT = replace(QUESTION, messages=[{"role": "assistant", "reasoning_content": "hm"}])


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"message": "\'messages.0\': property \'reasoning_content\' is unsupported"}}',
        b'{"detail": [{"loc": ["body", "messages", 0, "assistant", "reasoning_content"],'
        b' "msg": "Extra inputs are not permitted"}]}',
    ],
    ids=["in a text", "in a list"],
)
def test_a_provider_that_takes_no_reasoning_back_is_asked_without_it(
    server: ReplayServer, asking: Asking, body: bytes
) -> None:
    server.replies = [Reply([body], 422, "application/json"), GOOD, GOOD]
    providers = asking()
    assert join(providers.open(THOUGHT)).text == "x"
    assert join(providers.open(THOUGHT)).text == "x"
    sent = [asked.body["messages"][0].get("reasoning_content") for asked in server.asked]
    assert sent == ["hm", None, None]


def test_a_provider_that_wants_reasoning_back_is_believed(
    server: ReplayServer, asking: Asking
) -> None:
    words = b'{"error": {"message": "Missing `reasoning_content` in the message at index 1"}}'
    server.replies = [Reply([words], 400, "application/json")]
    with pytest.raises(ProviderFailure):
        join(asking().open(THOUGHT))
    assert len(server.asked) == 1


def test_a_provider_that_keeps_rejecting_is_not_asked_for_ever(
    server: ReplayServer, asking: Asking
) -> None:
    refusal = Reply([b'{"error": "stream_options"}'], 400, "application/json")
    server.replies = [refusal] * 5
    with pytest.raises(ProviderFailure) as caught:
        join(asking().open(QUESTION))
    assert caught.value.code == "provider-refused"
    assert len(server.asked) == 2


def test_max_tokens_is_renamed_for_models_that_want_the_new_name(
    server: ReplayServer, asking: Asking
) -> None:
    words = b'{"error": {"message": "Use \'max_completion_tokens\' instead of \'max_tokens\'."}}'
    server.replies = [Reply([words], 400, "application/json"), GOOD]
    assert join(asking().open(replace(QUESTION, max_tokens=5))).text == "x"
    assert server.asked[1].body["max_completion_tokens"] == 5
    assert "max_tokens" not in server.asked[1].body
