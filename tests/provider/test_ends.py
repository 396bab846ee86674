"""How a stream ends: finish reasons, `[DONE]`, usage, and the end that is none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.provider.conftest import Reader
from tests.provider.reading import DONE, chunk, line
from workers.provider import ProviderFailure, Usage

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def test_a_finish_reason_taken_back_stays(read: Reader) -> None:
    """Azure's content filter reports after the end, with a null reason."""
    answer = read(chunk({"content": "x"}) + chunk({}, "stop") + chunk({}, None) + DONE)
    assert answer.finish == "stop"


def test_the_first_finish_reason_counts(read: Reader) -> None:
    answer = read(chunk({"content": "x"}, "length") + chunk({}, "stop") + DONE)
    assert answer.finish == "length"


def test_stop_on_every_chunk_does_not_end_the_answer(read: Reader) -> None:
    answer = read(chunk({"content": "a"}, "stop") + chunk({"content": "b"}, "stop") + DONE)
    assert (answer.text, answer.finish) == ("ab", "stop")


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "content_filter", "eos"])
def test_a_finish_reason_is_passed_on_as_it_is(read: Reader, reason: str) -> None:
    assert read(chunk({"content": "x"}) + chunk({}, reason) + DONE).finish == reason


def test_a_content_filter_that_ends_the_text_is_no_failure(read: Reader) -> None:
    answer = read(chunk({"content": "half a"}) + chunk({}, "content_filter"))
    assert (answer.text, answer.finish) == ("half a", "content_filter")


def test_a_finish_reason_without_done_is_an_end(read: Reader) -> None:
    assert read(chunk({"content": "x"}) + chunk({}, "stop")).finish == "stop"


def test_done_without_a_finish_reason_is_a_stop(read: Reader) -> None:
    assert read(chunk({"content": "x"}) + DONE).finish == "stop"


@pytest.mark.parametrize(
    "end", ["data: [DONE]", "data: [DONE]\n", "data:[DONE]\n\n", "data: [DONE] \n"]
)
def test_done_may_lack_its_blank_line(read: Reader, end: str) -> None:
    assert read(chunk({"content": "x"}) + end).text == "x"


def test_the_last_chunk_may_lack_its_blank_line(read: Reader) -> None:
    assert read(chunk({"content": "x"}) + chunk({}, "stop").rstrip("\n")).finish == "stop"


@pytest.mark.parametrize(
    "rest", [chunk({"content": "y"}), "data: {broken\n\n", DONE, "garbage", line({"error": "x"})]
)
def test_whatever_follows_done_is_ignored(read: Reader, rest: str) -> None:
    assert read(chunk({"content": "x"}) + chunk({}, "stop") + DONE + rest).text == "x"


def test_chunks_without_a_blank_line_between_them_are_read_each(read: Reader) -> None:
    body = chunk({"content": "a"}) + chunk({"content": "b"}) + chunk({}, "stop") + DONE
    assert read(body.replace("\n\n", "\n")).text == "ab"


@pytest.mark.parametrize(
    "body",
    [
        "",
        ": hello\n\n",
        chunk({"role": "assistant"}),
        chunk({"content": "x"}),
        chunk({"content": "x"}) + chunk({"content": "y"})[:-30],
        chunk({"content": "x"}) + "data: ",
        DONE,
    ],
)
def test_an_end_without_finish_reason_and_without_done_is_truncated(
    read: Reader, body: str
) -> None:
    with pytest.raises(ProviderFailure) as caught:
        read(body)
    assert (caught.value.code, caught.value.retryable) == ("provider-truncated", True)


def test_one_of_two_choices_cut_off_is_truncated(read: Reader) -> None:
    body = chunk({"content": "a"}, "stop") + line(
        {"choices": [{"index": 1, "delta": {"content": "b"}, "finish_reason": None}]}
    )
    with pytest.raises(ProviderFailure) as caught:
        read(body, n=2)
    assert caught.value.code == "provider-truncated"


def test_usage_at_the_top_of_the_last_chunk_is_read(read: Reader) -> None:
    answer = read(chunk({"content": "x"}) + chunk({}, "stop", usage=USAGE) + DONE)
    assert answer.usage == Usage(3, 2, 5)


def test_usage_inside_the_choice_is_read(read: Reader) -> None:
    """Kimi."""
    choice = {"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}
    answer = read(chunk({"content": "x"}) + line({"choices": [choice]}) + DONE)
    assert answer.usage == Usage(3, 2, 5)


def test_usage_in_groq_s_own_object_is_read(read: Reader) -> None:
    answer = read(
        chunk({"content": "x"}, x_groq={"id": "r1"})
        + chunk({}, "stop", x_groq={"id": "r1", "usage": USAGE})
        + DONE
    )
    assert answer.usage == Usage(3, 2, 5)


def test_of_usage_on_every_chunk_the_last_that_is_not_null_counts(read: Reader) -> None:
    """Gemini."""
    early = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    answer = read(
        chunk({"content": "x"}, usage=early)
        + chunk({"content": "y"}, usage=USAGE)
        + chunk({}, "stop", usage=None)
        + DONE
    )
    assert answer.usage == Usage(3, 2, 5)


def test_a_total_left_out_is_the_sum(read: Reader) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    assert read(chunk({"content": "x"}, "stop", usage=usage)).usage == Usage(3, 2, 5)


@pytest.mark.parametrize(
    "told",
    [
        [{"prompt_tokens": 3}, {"completion_tokens": 2, "x": 1}],
        [{"prompt_tokens": 3.0, "completion_tokens": 2.0, "total_tokens": 5.0}, {"x": 1}],
        [{"x": 1}, USAGE],
    ],
)
def test_usage_told_in_parts_is_put_together(read: Reader, told: list[dict[str, Any]]) -> None:
    body = "".join(chunk({"content": "x"}, usage=usage) for usage in told)
    assert read(body + chunk({}, "stop") + DONE).usage == Usage(3, 2, 5, {"x": 1})


def test_usage_by_its_newer_names_and_inside_the_delta_is_read(read: Reader) -> None:
    told = {"input_tokens": 3, "output_tokens": 2}
    answer = read(chunk({"content": "x", "usage": told}) + chunk({}, "stop") + DONE)
    assert answer.usage == Usage(3, 2, 5, told)
    assert answer.choices[0].carried == {"usage": told}


@pytest.mark.parametrize("usage", [None, {}, [], "many", {"prompt_tokens": None}])
def test_usage_that_is_not_told_is_not_guessed(read: Reader, usage: object) -> None:
    assert read(chunk({"content": "x"}, "stop", usage=usage) + DONE).usage is None
