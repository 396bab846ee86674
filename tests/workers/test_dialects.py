"""The dialects `openai` and `text`, on frames."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from hub import sse
from hub.event import Event, compact_json
from hub.fanout.channel_kind import View
from hub.store.frame import Frame
from workers.dialects.openai import OpenAI
from workers.dialects.text import Text

OPENAI = OpenAI("abc", 1_700_000_000, "m")
STARTED = ("started", {"id": "abc", "model": "m", "attempt": 1, "created": "…"})
RESTARTED = ("restarted", {"attempt": 2, "reason": "worker-lost"})
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
COMPLETED = ("completed", {"choices": [{"index": 0, "finish_reason": "stop"}], "usage": USAGE})
FAILED = ("failed", {"code": "stall-timeout", "message": "nothing came", "retryable": True})
CANCELLED = ("cancelled", {"by": "ann"})


def delta(text: str, index: int = 0, kind: str = "content") -> tuple[str, Any]:
    return ("delta", {"index": index, kind: text})


def snapshot(*texts: str) -> tuple[str, Any]:
    choices = [
        {"index": i, "content": text, "reasoning": "", "tool_calls": []}
        for i, text in enumerate(texts)
    ]
    return ("snapshot", {"attempt": 1, "choices": choices, "status": "running"})


def frames(*events: tuple[str, Any], first: int = 1) -> list[Frame]:
    return [
        Frame(
            f"{n}-0",
            f"{n - 1}-0",
            n,
            sse.encode(Event(compact_json(data), event), f"{n}-0"),
        )
        for n, (event, data) in enumerate(events, first)
    ]


def rendered(view: View, *events: tuple[str, Any]) -> tuple[list[sse.Parsed], View | None]:
    """What a client sees, and the view that goes on."""
    data, following = view.render(frames(*events))
    return list(sse.Parser().feed(data)), following


def chunks(parsed: Sequence[sse.Parsed]) -> list[Any]:
    return [each.data if each.data == "[DONE]" else json.loads(each.data) for each in parsed]


# ── text ─────────────────────────────────────────────────────────────────────────────────────────


def test_text_is_exactly_the_deltas_text_with_spaces_and_line_ends() -> None:
    texts = ["Hello", "  there\n", "\n", "\n\n a", "b\n", " ", "data: x"]
    parsed, view = rendered(Text(), STARTED, *(delta(text) for text in texts))
    assert [each.data for each in parsed] == texts
    assert {each.event for each in parsed} == {"message"}
    assert [each.id for each in parsed] == [f"{n}-0" for n in range(2, 9)]
    assert view == Text(sent=True)


def test_text_shows_choice_0_s_content_alone() -> None:
    parsed, _ = rendered(
        Text(), delta("x", 1), delta("hm", 0, "reasoning"), delta("a"), delta("no", 0, "refusal")
    )
    assert [each.data for each in parsed] == ["a"]


@pytest.mark.parametrize(
    "texts", [["a\r\nb\rc"], ["a\r", "\nb\r", "c"], ["a", "\r", "\n", "b", "\r", "c"]]
)
def test_cr_and_crlf_arrive_as_lf_wherever_a_delta_ends(texts: list[str]) -> None:
    parsed, _ = rendered(Text(), *(delta(text) for text in texts))
    assert "".join(each.data for each in parsed) == "a\nb\nc"


def test_the_end_of_a_text_is_the_end_of_its_stream_and_says_nothing() -> None:
    parsed, view = rendered(Text(), delta("a"), COMPLETED)
    assert ([each.data for each in parsed], view) == (["a"], None)


@pytest.mark.parametrize("end", [FAILED, CANCELLED])
def test_a_failed_or_cancelled_text_ends_with_an_event_that_says_so(end: tuple[str, Any]) -> None:
    parsed, view = rendered(Text(), delta("a"), end)
    assert (parsed[-1].event, json.loads(parsed[-1].data)) == end
    assert (parsed[-1].id, view) == ("2-0", None)


def test_a_restart_before_the_first_text_is_not_noticed() -> None:
    for view in (Text(), OPENAI):
        parsed, following = rendered(view, STARTED, RESTARTED)
        assert (parsed, following) == ([], view)


def test_a_restart_after_text_was_sent_ends_the_text_as_worker_lost() -> None:
    parsed, view = rendered(Text(), delta("a"), RESTARTED, delta("b"))
    assert [each.event for each in parsed] == ["message", "failed"]
    assert json.loads(parsed[-1].data)["code"] == "worker-lost"
    assert view is None


def test_a_snapshot_is_one_block_of_text() -> None:
    parsed, view = rendered(Text(), snapshot(" so\nfar", "other"), delta("!"))
    assert [each.data for each in parsed] == [" so\nfar", "!"]
    assert view == Text(sent=True)


def test_a_snapshot_after_text_was_sent_would_repeat_it_and_ends_the_stream() -> None:
    parsed, view = rendered(Text(sent=True), snapshot("all of it"))
    assert (parsed[-1].event, json.loads(parsed[-1].data)["code"]) == ("failed", "history-lost")
    assert view is None
    found, view = rendered(OpenAI("abc", 1, "m", opened=frozenset({0})), snapshot("all of it"))
    assert chunks(found)[0]["error"]["code"] == "history-lost"
    assert view is None


# ── openai ───────────────────────────────────────────────────────────────────────────────────────


def test_openai_chunks_have_every_field_that_the_package_needs() -> None:
    parsed, _ = rendered(OPENAI, STARTED, delta("Hel"), delta("lo"))
    first, second = chunks(parsed)
    assert first == {
        "id": "chatcmpl-abc",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "m",
        "choices": [
            {"index": 0, "delta": {"role": "assistant", "content": "Hel"}, "finish_reason": None}
        ],
    }
    assert second["choices"][0]["delta"] == {"content": "lo"}
    assert [each.id for each in parsed] == ["2-0", "3-0"]


def test_each_choice_s_first_chunk_tells_the_role() -> None:
    parsed, view = rendered(OPENAI, delta("a"), delta("b", 1), delta("c", 1))
    roles = [chunk["choices"][0]["delta"].get("role") for chunk in chunks(parsed)]
    assert roles == ["assistant", "assistant", None]
    assert isinstance(view, OpenAI)
    assert view.opened == {0, 1}


def test_reasoning_tool_calls_refusal_and_logprobs_have_openai_s_names() -> None:
    call = [{"index": 0, "id": "a", "function": {"name": "f"}}]
    parsed, _ = rendered(
        OPENAI,
        delta("hm", 0, "reasoning"),
        ("delta", {"index": 0, "tool_calls": call}),
        delta("no", 0, "refusal"),
        ("delta", {"index": 0, "content": "x", "logprobs": {"content": []}}),
    )
    found = [chunk["choices"][0] for chunk in chunks(parsed)]
    assert found[0]["delta"] == {"role": "assistant", "reasoning_content": "hm"}
    assert found[1]["delta"] == {"tool_calls": call}
    assert found[2]["delta"] == {"refusal": "no"}
    assert found[3] == {
        "index": 0,
        "delta": {"content": "x"},
        "finish_reason": None,
        "logprobs": {"content": []},
    }


def test_the_end_is_each_choice_s_reason_then_done() -> None:
    end = {
        "choices": [
            {"index": 0, "finish_reason": "stop"},
            {"index": 1, "finish_reason": "length"},
        ],
        "usage": USAGE,
    }
    parsed, view = rendered(OPENAI, delta("a"), ("completed", end))
    *_, first, second, done = chunks(parsed)
    assert first["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    assert "usage" not in first
    assert (second["choices"][0]["finish_reason"], second["usage"]) == ("length", USAGE)
    assert (done, view) == ("[DONE]", None)


def test_only_done_carries_the_terminal_id_so_that_a_cut_before_it_is_made_good() -> None:
    for end in (COMPLETED, FAILED, CANCELLED):
        parsed, _ = rendered(OPENAI, delta("a"), end)
        assert [each.id for each in parsed] == ["1-0", "1-0", "2-0"]


def test_usage_comes_in_a_chunk_of_its_own_where_it_was_asked_for() -> None:
    asked = OpenAI("abc", 1, "m", usage_chunk=True)
    parsed, _ = rendered(asked, delta("a"), COMPLETED)
    _, finish, usage, done = chunks(parsed)
    assert "usage" not in finish
    assert (usage["choices"], usage["usage"], done) == ([], USAGE, "[DONE]")


@pytest.mark.parametrize(("end", "code"), [(FAILED, "stall-timeout"), (CANCELLED, "cancelled")])
def test_a_failure_is_an_error_and_nothing_beside_it(end: tuple[str, Any], code: str) -> None:
    """With `choices` beside it, several clients take it for a chunk and the answer for finished."""
    parsed, view = rendered(OPENAI, delta("a"), end)
    _, error, done = chunks(parsed)
    assert list(error) == ["error"]
    assert set(error["error"]) == {"message", "type", "param", "code"}
    assert error["error"]["code"] == code
    assert error["error"]["message"]
    assert (done, view) == ("[DONE]", None)


def test_a_provider_s_own_error_keeps_its_words_and_its_names() -> None:
    said = {"message": "slow down", "type": "tokens", "param": "n", "code": "rate_limit_exceeded"}
    failed = {
        "code": "provider-rate-limited",
        "message": "the provider answered 429: slow down",
        "retryable": True,
        "provider": {"status": 429, "error": {**said, "innererror": {"x": 1}}},
    }
    parsed, _ = rendered(OPENAI, delta("a"), ("failed", failed))
    assert chunks(parsed)[1] == {"error": {**said, "innererror": {"x": 1}}}


CARRIED: dict[str, Any] = {
    "annotations": [{"type": "url_citation"}],
    "content_filter_results": {"hate": {"filtered": False}},
    "citations": ["https://example.org"],
    "matched_stop": 2,
    "choice.annotations": "of the choice",
    "places": {"matched_stop": "choice", "choice.annotations": "choice"},
}


def test_what_is_carried_stands_where_the_provider_put_it() -> None:
    parsed, _ = rendered(OPENAI, ("delta", {"index": 0, "content": "a", **CARRIED}))
    (chunk,) = chunks(parsed)
    assert chunk["citations"] == ["https://example.org"]
    assert chunk["choices"] == [
        {
            "index": 0,
            "delta": {
                "role": "assistant",
                "content": "a",
                "annotations": [{"type": "url_citation"}],
            },
            "finish_reason": None,
            "annotations": "of the choice",
            "content_filter_results": {"hate": {"filtered": False}},
            "matched_stop": 2,
        }
    ]


def test_a_snapshot_s_chunk_has_what_was_carried_in_its_place_too() -> None:
    choice = {"index": 0, "content": "a", "reasoning": "", "tool_calls": [], **CARRIED}
    del choice["citations"]
    data = {"attempt": 1, "choices": [choice], "status": "running", "citations": [7]}
    parsed, _ = rendered(OPENAI, ("snapshot", data))
    (chunk,) = chunks(parsed)
    assert chunk["citations"] == [7]
    assert chunk["choices"][0]["matched_stop"] == 2
    assert chunk["choices"][0]["delta"]["annotations"] == [{"type": "url_citation"}]


def test_a_picture_in_the_content_is_a_part_of_the_content() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    parsed, _ = rendered(OPENAI, ("delta", {"index": 0, "content_parts": [picture]}))
    assert chunks(parsed)[0]["choices"][0]["delta"]["content"] == [picture]


def test_a_restart_after_a_chunk_was_sent_ends_the_stream_as_worker_lost() -> None:
    parsed, view = rendered(OPENAI, delta("a"), RESTARTED, delta("b"))
    _, error, done = chunks(parsed)
    assert (error["error"]["code"], done, view) == ("worker-lost", "[DONE]", None)


def test_a_snapshot_is_one_chunk_for_each_choice() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    choices = [
        {"index": 0, "content": "a", "reasoning": "", "tool_calls": []},
        {"index": 1, "content": "", "reasoning": "hm", "tool_calls": [call]},
    ]
    parsed, view = rendered(OPENAI, ("snapshot", {"choices": choices}), delta("b"))
    first, second, third = chunks(parsed)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "a"}
    assert second["choices"][0]["delta"] == {
        "role": "assistant",
        "reasoning_content": "hm",
        "tool_calls": [{"index": 0, **call}],
    }
    assert third["choices"][0]["delta"] == {"content": "b"}
    assert isinstance(view, OpenAI)


# ── both ─────────────────────────────────────────────────────────────────────────────────────────

RUNS = [
    [STARTED, delta("a\r"), delta("\nb"), delta("c", 1), COMPLETED],
    [STARTED, RESTARTED, delta("a"), RESTARTED, delta("b")],
    [snapshot("a", "b"), delta("c"), FAILED],
    [STARTED, CANCELLED],
]


@pytest.mark.parametrize("view", [Text(), OPENAI])
@pytest.mark.parametrize("events", RUNS)
def test_frames_rendered_one_by_one_give_the_bytes_that_they_give_together(
    view: View, events: list[tuple[str, Any]]
) -> None:
    together, end = view.render(frames(*events))
    one_by_one = b""
    current: View | None = view
    for frame in frames(*events):
        if current is not None:
            data, current = current.render([frame])
            one_by_one += data
    assert (one_by_one, current) == (together, end)


@pytest.mark.parametrize("view", [Text(), OPENAI])
def test_a_view_that_does_not_change_is_the_same_object(view: View) -> None:
    _, once = view.render(frames(delta("a")))
    assert once is not None
    _, twice = once.render(frames(delta("b")))
    assert twice is once


@pytest.mark.parametrize("view", [Text(lost=True), OpenAI("abc", 1, "m", lost=True)])
def test_who_returns_after_a_restart_is_told_that_the_text_was_lost(view: View) -> None:
    parsed, following = rendered(view, delta("b"))
    assert "worker-lost" in parsed[0].data
    assert following is None
