"""The dialects `ai-sdk` and `ag-ui`, on frames; AG-UI's events against the protocol's models."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from typing import Any

import pytest
from ag_ui.core.events import Event as AgUiEvent
from pydantic import TypeAdapter

from hub.fanout.channel_kind import View
from hub.sse import Parser
from tests.support.deadline import patience
from tests.workers.test_dialects import (
    CANCELLED,
    COMPLETED,
    FAILED,
    RESTARTED,
    STARTED,
    delta,
    frames,
    rendered,
    snapshot,
)
from workers.dialects.ag_ui import AgUi
from workers.dialects.ai_sdk import AiSdk
from workers.dialects.segments import Segments
from workers.faces.run_input import question
from workers.faces.ui_messages import openai_messages

AI, AG = AiSdk("abc"), AgUi("abc")
EVENTS: TypeAdapter[Any] = TypeAdapter(AgUiEvent)


def call(index: int, text: str = "", **first: object) -> tuple[str, Any]:
    piece = {"index": index, **first, "function": {"arguments": text}}
    if first:
        piece["function"]["name"] = "look"  # type: ignore[index]
    return ("delta", {"index": 0, "tool_calls": [piece]})


ANSWER = [
    STARTED,
    ("data", {"name": "progress", "data": {"step": 1}, "id": "p"}),
    delta("hm", kind="reasoning"),
    delta("m", kind="reasoning"),
    delta("Hel"),
    delta("lo"),
    call(0, id="a"),
    call(1, '{"x"', id="b"),
    call(0, "{}"),
    call(1, ":1}"),
    COMPLETED,
]


def said(view: View, *events: tuple[str, Any]) -> list[Any]:
    """What a view's blocks say. Of AG-UI's, each is one that the protocol's own models take."""
    blocks = rendered(view, *events)[0]
    told = [json.loads(each.data) for each in blocks if each.data != "[DONE]"]
    for each in told if isinstance(view, AgUi) else ():
        EVENTS.validate_python(each)
    return told


def test_ai_sdk_frames_text_reasoning_calls_and_data() -> None:
    told = said(AI, *ANSWER)

    assert [each["type"] for each in told] == [
        "start", "start-step", "data-progress",
        "reasoning-start", "reasoning-delta", "reasoning-delta", "reasoning-end",
        "text-start", "text-delta", "text-delta", "text-end",
        "tool-input-start", "tool-input-start", "tool-input-delta", "tool-input-delta",
        "tool-input-delta", "tool-input-available", "tool-input-available",
        "finish-step", "finish",
    ]  # fmt: skip
    assert told[0]["messageId"] == "abc"
    assert told[2] == {"type": "data-progress", "data": {"step": 1}, "id": "p"}
    assert [each["input"] for each in told if "input" in each] == [{}, {"x": 1}]
    assert told[-1]["finishReason"] == "stop"
    assert rendered(AI, *ANSWER)[0][-1].data == "[DONE]"


def test_ag_ui_says_what_the_protocol_s_models_take() -> None:
    for ending in (COMPLETED, FAILED, CANCELLED):
        assert said(AG, *ANSWER[:-1], ending)
    assert said(AgUi("abc", thread_id="t", run_id="r"), snapshot("whole"), COMPLETED)


def test_ag_ui_tells_a_run_from_its_beginning_to_its_end() -> None:
    told = said(AgUi("abc", thread_id="t", run_id="r"), *ANSWER)

    assert (told[0]["type"], told[0]["threadId"], told[0]["runId"]) == ("RUN_STARTED", "t", "r")
    assert (told[-1]["type"], told[-1]["threadId"], told[-1]["runId"]) == ("RUN_FINISHED", "t", "r")
    assert "".join(e["delta"] for e in told if e["type"] == "TEXT_MESSAGE_CONTENT") == "Hello"
    assert {"type": "TOOL_CALL_ARGS", "toolCallId": "b", "delta": ":1}"} in told
    assert all(e.get("delta") != "" for e in told)


@pytest.mark.parametrize("view", [AI, AG], ids=["ai-sdk", "ag-ui"])
def test_a_client_cut_off_anywhere_gets_the_rest_and_nothing_twice(view: View) -> None:
    """Each block's id leads to the blocks behind it."""
    everything = frames(*ANSWER)
    whole = rendered(view, *ANSWER)[0]
    for at in range(1, len(everything)):
        before, following = view.render(everything[:at])
        assert following is not None
        after, _ = following.render(everything[at:])
        assert before + after == view.render(everything)[0]
    ids = [block.id for block in whole]
    assert ids == sorted(ids, key=lambda one: int(one.partition("-")[0]))
    assert ids[-1] == everything[-1].id


@pytest.mark.parametrize("view", [AI, AG], ids=["ai-sdk", "ag-ui"])
def test_listeners_at_one_place_share_a_rendering(view: View) -> None:
    one = view.render(frames(*ANSWER[:8]))[1]
    other = view.render(frames(*ANSWER[:4]))[1]
    assert other is not None
    assert other.render(frames(*ANSWER[4:8], first=5))[1] == one
    assert hash(one) is not None


def test_a_failure_before_anything_was_said_is_framed_too() -> None:
    assert [e["type"] for e in said(AI, FAILED)] == ["start", "start-step", "error"]
    assert [e["type"] for e in said(AG, STARTED, FAILED)] == [
        "RUN_STARTED", "STEP_STARTED", "RUN_ERROR",
    ]  # fmt: skip


def test_a_cancel_closes_what_is_open() -> None:
    told = [e["type"] for e in said(AI, STARTED, delta("x"), CANCELLED)]
    assert told[-2:] == ["text-end", "abort"]
    assert said(AG, STARTED, delta("x"), CANCELLED)[-1]["code"] == "cancelled"


@pytest.mark.parametrize("view", [AI, AG], ids=["ai-sdk", "ag-ui"])
def test_nothing_that_was_said_is_taken_back(view: View) -> None:
    quiet = said(view, STARTED, RESTARTED, delta("x"), COMPLETED)
    assert any(each.get("delta") == "x" for each in quiet)
    lost = said(view, STARTED, delta("x"), RESTARTED, delta("y"))
    assert lost[-1]["type"] in ("error", "RUN_ERROR")
    assert all(each.get("delta") != "y" for each in lost)


def test_arguments_that_are_no_json_are_said_to_be_so() -> None:
    told = said(AI, STARTED, call(0, "{not json", id="a"), COMPLETED)
    (wrong,) = [each for each in told if each["type"] == "tool-input-error"]
    assert wrong["input"] == "{not json"


def test_a_snapshot_is_the_deltas_that_it_amounts_to() -> None:
    event, data = snapshot("Hello")
    data["choices"][0]["reasoning"] = "hm"
    data["data"] = [{"name": "progress", "data": 1, "id": None}]
    told = said(AI, (event, data), delta("!"), COMPLETED)
    assert [e["delta"] for e in told if "delta" in e] == ["hm", "Hello", "!"]
    assert {"type": "data-progress", "data": 1} in told


def test_what_stands_beside_the_text_is_told_once() -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A"}}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    beside = {"index": 0, "content": "x", "annotations": [cited], "images": [picture]}
    part = {"type": "image_url", "image_url": "https://a.example/a.png"}
    again = {"index": 0, "content": "y", "citations": ["https://a.example", "https://b.example"]}
    again["content_parts"] = [part]
    told = said(AI, STARTED, ("delta", beside), ("delta", again), COMPLETED)
    assert [e["url"] for e in told if e["type"] == "source-url"] == [
        "https://a.example", "https://b.example",
    ]  # fmt: skip
    assert [e["mediaType"] for e in told if e["type"] == "file"] == ["image/png", "image/*"]


@pytest.mark.slow
def test_a_million_pieces_of_arguments_cost_a_million_steps() -> None:
    """Linear: with a text that is copied at each piece this would take minutes."""
    segments = Segments()
    for _ in range(100_000):
        piece = {"index": 0, "id": "a", "function": {"name": "x", "arguments": "0123456789"}}
        segments, _ = segments.add({"tool_calls": [piece]})
    assert len(segments.calls[0].closed().text) == 1_000_000


@pytest.mark.parametrize(
    ("arguments", "word", "given"),
    [
        ('{"a":NaN}', "tool-input-error", '{"a":NaN}'),
        ("[" * 5_000, "tool-input-error", "[" * 5_000),
        ("[" + "[]," * 200_000 + "0]", "tool-input-error", "[" + "[]," * 200_000 + "0]"),
        ('{"a":1e999}', "tool-input-error", '{"a":1e999}'),
        ('{"a":"\\ud800"}', "tool-input-available", {"a": "\ufffd"}),
    ],
    ids=["NaN", "deep", "many values", "beyond a double", "half a character"],
)
def test_ai_sdk_s_stream_goes_on_whatever_a_model_gives_a_tool(
    arguments: str, word: str, given: object
) -> None:
    told = said(AI, STARTED, call(0, arguments, id="a"), COMPLETED)
    (closed,) = [words for words in told if words["type"] == word]
    assert closed["input"] == given
    assert told[-1]["type"] == "finish"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ('{"a": "x🙂%s",\n"b": [1]}', "tool-input-available"),
        ('{"a": "x🙂%s"}}', "tool-input-error"),
    ],
    ids=["whole", "not whole"],
)
def test_long_arguments_of_a_call_hold_nobody_up(
    arguments: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 26 MB; of one value made of them, the last step took 0.2 s."""
    pieces = ["x" * 130_000 + "\\n" * 500] * 200
    begin, end = arguments.split("%s")
    view: Any = None
    for piece in (begin, *pieces, end):
        _, view = (view or AI).render(frames(call(0, piece, id="a")))
    steps = [time.thread_time()]
    monkeypatch.setattr("hub.fanout.pace.pause", lambda: steps.append(time.thread_time()))
    data, _ = view.render(frames(COMPLETED))
    steps.append(time.thread_time())
    told = [json.loads(each.data) for each in Parser().feed(data) if each.data != "[DONE]"]
    (closed,) = [each for each in told if each["type"] == word]
    text = begin + "".join(pieces) + end
    assert closed["input"] == (text if word == "tool-input-error" else json.loads(text))
    longest = max(after - before for before, after in pairwise(steps))
    assert longest < 0.05 * patience()


def test_what_a_provider_will_want_to_see_again_comes_back_with_the_call() -> None:
    called = {"name": "f", "arguments": "{}"}
    piece = {"index": 0, "id": "a", "function": {**called, "more": 1}, "sig": {"s": 1}}
    custom = {"index": 1, "id": "b", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    events = [
        ("delta", {"index": 0, "thinking_blocks": [{"type": "thinking", "thinking": "h"}]}),
        ("delta", {"index": 0, "thinking_blocks": [{"type": "thinking", "signature": "t"}]}),
        ("delta", {"index": 0, "tool_calls": [piece, custom], "images": []}),
        ("delta", {"index": 0, "tool_calls": [{"index": 0, "sig": {"t": 2}}]}),
    ]
    wanted = {
        "thinking_blocks": [{"type": "thinking", "thinking": "h", "signature": "t"}],
        "tool_calls": [
            {"id": "a", "type": "function", "function": piece["function"], "sig": {"s": 1, "t": 2}},
            {n: v for n, v in custom.items() if n != "index"},
        ],
    }

    told = said(AI, STARTED, *events, COMPLETED)
    done = {"type": "dynamic-tool", "state": "output-available", "output": "x"}
    parts = [
        {**e, **done, "callProviderMetadata": e["providerMetadata"]}
        for e in told
        if e["type"] == "tool-input-available"
    ]
    message = openai_messages([{"role": "assistant", "parts": parts}])[0]
    assert message == {"role": "assistant", "content": None, **wanted}

    told = said(AG, STARTED, *events, COMPLETED)
    values = {e["entityId"]: e["encryptedValue"] for e in told if "encryptedValue" in e}
    names = {"a": called, "b": {"name": "sh", "arguments": "ls"}}
    calls = [
        {"id": one, "function": names[one], "encryptedValue": value}
        for one, value in values.items()
    ]
    asked = {"messages": [{"role": "assistant", "toolCalls": calls}]}
    (given,) = question({**asked, "threadId": "t", "runId": "r"}, ()).request.messages
    assert given == {"role": "assistant", "content": None, **wanted}


def test_the_reasoning_of_an_agent_goes_back_with_its_calls_and_only_then() -> None:
    call = {"id": "a", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "reasoning", "content": "not "},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "q"},
        {"role": "reasoning", "content": "I look"},
        {"role": "reasoning", "content": " there."},
        {"role": "assistant", "content": "Now."},
        {"role": "assistant", "toolCalls": [call]},
        {"role": "tool", "toolCallId": "a", "content": "x"},
    ]
    given = question({"messages": messages, "threadId": "t", "runId": "r"}, ()).request.messages
    told = [message.get("reasoning_content") for message in given]
    assert told == [None, None, None, "I look there.", None]
