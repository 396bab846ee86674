"""Text, reasoning, refusals and choices, wherever a dialect puts them."""

from __future__ import annotations

import json

import pytest

from tests.provider.conftest import Reader
from tests.provider.reading import DONE, Choice, chunk, line
from workers.provider import Delta, ProviderFailure, Usage
from workers.provider.answer import Answer


def test_openai_s_own_stream_is_read(read: Reader) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    answer = read(
        chunk({"role": "assistant", "content": ""})
        + chunk({"content": "Hel"})
        + chunk({"content": "lo"})
        + chunk({}, "stop")
        + line({"model": "m1", "choices": [], "usage": usage})
        + DONE
    )
    assert (answer.model, answer.text, answer.finish) == ("m1", "Hello", "stop")
    assert answer.usage == Usage(3, 2, 5)


def test_text_is_exactly_the_provider_s_also_where_it_is_hard_to_carry(read: Reader) -> None:
    text = "  leading\n\n\r\ndata: x\u2028🙂 ünï\u0000 </s> \t"
    assert read(chunk({"content": text}) + chunk({}, "stop") + DONE).text == text


def test_a_character_split_between_two_reads_arrives_whole(read: Reader) -> None:
    assert read(chunk({"content": "né🙂漢字"}) + chunk({}, "stop") + DONE).text == "né🙂漢字"


def test_bytes_that_are_not_utf_8_become_replacement_characters(read: Reader) -> None:
    body = chunk({"content": "aXb"}).encode().replace(b"X", b"\xff") + chunk({}, "stop").encode()
    assert read(body).text == "a\ufffdb"


@pytest.mark.parametrize("content", [None, "", []])
def test_content_that_is_null_or_empty_is_no_delta(read: Reader, content: object) -> None:
    answer = read(
        chunk({"role": "assistant", "content": content}) + chunk({"content": "x"}, "stop")
    )
    assert answer.text == "x"


def test_mistral_s_list_of_texts_and_thoughts_is_told_apart(read: Reader) -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hmm."}]}
    answer = read(
        chunk({"content": [thinking]})
        + chunk({"content": [{"type": "text", "text": "Yes"}, {"type": "reference", "ids": [1]}]})
        + chunk({"content": "!"}, "stop")
        + DONE
    )
    assert (answer.choices[0].reasoning, answer.text) == ("Hmm.", "Yes!")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_read_from_either_field(read: Reader, field: str) -> None:
    answer = read(
        chunk({field: "I ", "content": None})
        + chunk({field: "think"})
        + chunk({field: None, "content": "so"})
        + chunk({}, "stop")
    )
    assert (answer.choices[0].reasoning, answer.text) == ("I think", "so")


def test_reasoning_said_twice_in_one_chunk_is_read_once(read: Reader) -> None:
    details = [{"type": "reasoning.text", "text": "why"}]
    answer = read(
        chunk({"reasoning": "why", "reasoning_content": "why", "reasoning_details": details})
        + chunk({"content": "x"}, "stop")
    )
    assert answer.choices[0].reasoning == "why"


def test_reasoning_that_comes_only_in_details_is_read(read: Reader) -> None:
    answer = read(
        chunk({"reasoning_details": [{"type": "reasoning.text", "text": "a"}, {"text": "b"}]})
        + chunk({"reasoning_details": [{"type": "reasoning.summary", "summary": "c"}]})
        + chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "xyz"}]})
        + chunk({"content": "x"}, "stop")
    )
    assert answer.choices[0].reasoning == "abc"


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_that_is_no_text_is_read_and_kept(read: Reader, name: str) -> None:
    told = {"content": "Hm", "signature": "s"}
    answer = read(chunk({name: told}) + chunk({"content": "x"}, "stop"))
    kept = {f"delta.{name}": told, "places": {f"delta.{name}": "delta"}}
    if name == "reasoning_content":
        kept = {name: told}
    assert (answer.choices[0].reasoning, answer.choices[0].carried) == ("Hm", kept)


@pytest.mark.parametrize("tag", ["thought", "think"])
def test_reasoning_inside_the_text_s_first_tag_is_told_apart(read: Reader, tag: str) -> None:
    answer = read(
        chunk({"content": f"<{tag[:3]}"})
        + chunk({"content": f"{tag[3:]}>a < b</"})
        + chunk({"content": f"{tag}>\n\nYes, <{tag}> is a tag"})
        + chunk({}, "stop")
        + DONE
    )
    assert answer.choices[0].reasoning == "a < b"
    assert answer.text == f"Yes, <{tag}> is a tag"


@pytest.mark.parametrize("text", ["<", "<th", "<thought", " \n<th1>", "<b>", "a<thought>b"])
def test_text_that_only_looks_like_a_thought_stays_text(read: Reader, text: str) -> None:
    assert read(chunk({"content": text}) + chunk({}, "stop") + DONE).text == text


def test_a_thought_that_never_ends_is_all_reasoning(read: Reader) -> None:
    answer = read(chunk({"content": "<think>on and </thi"}) + chunk({}, "length") + DONE)
    assert (answer.choices[0].reasoning, answer.text) == ("on and </thi", "")


def test_a_refusal_is_told_apart_from_content(read: Reader) -> None:
    answer = read(chunk({"refusal": "I can"}) + chunk({"refusal": "not"}) + chunk({}, "stop"))
    assert (answer.choices[0].refusal, answer.text) == ("I cannot", "")


def test_several_choices_are_kept_apart(read: Reader) -> None:
    def both(first: str, second: str, finish: str | None = None) -> str:
        return line(
            {
                "model": "m1",
                "choices": [
                    {"index": 1, "delta": {"content": second}, "finish_reason": finish},
                    {"index": 0, "delta": {"content": first}, "finish_reason": finish},
                ],
            }
        )

    answer = read(both("a", "x") + both("b", "y") + both("", "", "stop") + DONE, n=2)
    assert answer.choices[0] == Choice(content="ab", finish="stop")
    assert answer.choices[1] == Choice(content="xy", finish="stop")


@pytest.mark.parametrize("said", ["", '"index":7,', '"index":-1,', '"index":"0",', '"index":null,'])
def test_an_index_absent_or_nonsense_is_the_only_choice(read: Reader, said: str) -> None:
    body = f'data: {{"choices":[{{{said}"delta":{{"content":"x"}},"finish_reason":null}}]}}\n\n'
    assert read(body + body + chunk({}, "stop")).text == "xx"


def test_an_index_that_counts_the_chunks_does_not_make_choices(read: Reader) -> None:
    chunks = [
        line({"choices": [{"index": number, "delta": {"content": str(number)}}]})
        for number in range(3)
    ]
    assert read("".join(chunks) + DONE).choices == {0: Choice(content="012", finish="stop")}


def test_chunks_without_choices_and_choices_without_delta_are_harmless(read: Reader) -> None:
    answer = read(
        line({"choices": [], "prompt_filter_results": [{"prompt_index": 0}]})  # Azure's first
        + line({"id": "x"})
        + line({"choices": None})
        + line({"choices": [{"index": 0, "finish_reason": None}]})
        + line({"choices": [{"index": 0, "delta": None}]})
        + chunk({"content": "x"})
        + line({"choices": [{"index": 0, "finish_reason": "stop"}]})
        + DONE
    )
    assert (answer.text, answer.finish) == ("x", "stop")


def test_an_id_and_a_model_that_change_within_a_stream_change_nothing(read: Reader) -> None:
    answer = read(
        chunk({"content": "a"}, id="1", model="m1")
        + chunk({"content": "b"}, id="2", model="m1-2024")
        + chunk({}, "stop", id="3")
    )
    assert (answer.text, answer.model) == ("ab", "m1")


def test_the_model_s_name_may_be_missing(read: Reader) -> None:
    answer = read(line({"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]}))
    assert (answer.text, answer.model) == ("x", None)


def test_logprobs_are_passed_through_with_their_piece(read: Reader) -> None:
    logprobs = {"content": [{"token": "x", "logprob": -0.1}]}
    first = {"index": 0, "delta": {"content": "x"}, "logprobs": logprobs, "finish_reason": None}
    bare = {"index": 0, "delta": {}, "logprobs": {"content": []}, "finish_reason": "stop"}
    answer = read(line({"choices": [first]}) + line({"choices": [bare]}) + DONE)
    assert answer.logprobs == [logprobs, {"content": []}]


def test_a_legacy_completion_s_text_is_read(read: Reader) -> None:
    answer = read(
        line({"choices": [{"index": 0, "text": "a", "finish_reason": None}]})
        + line({"choices": [{"index": 0, "text": "b", "finish_reason": "stop"}]})
        + DONE
    )
    assert answer.text == "ab"


@pytest.mark.parametrize("indent", [None, 2])
def test_a_complete_json_answer_in_place_of_a_stream_is_read_as_one(
    read: Reader, indent: int | None
) -> None:
    message = {
        "role": "assistant",
        "content": "Hello",
        "reasoning_content": "Hm",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ],
    }
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    answer = read(
        json.dumps(
            {
                "object": "chat.completion",
                "model": "m1",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": usage,
            },
            indent=indent,
        )
    )
    assert (answer.text, answer.choices[0].reasoning, answer.finish) == ("Hello", "Hm", "stop")
    assert answer.choices[0].tool_calls == [
        {"id": "a", "type": "function", "name": "f", "arguments": "{}"}
    ]
    assert (answer.model, answer.usage) == ("m1", Usage(3, 2, 5))


def test_a_json_document_of_another_kind_is_malformed_and_not_worth_another_try(
    read: Reader,
) -> None:
    with pytest.raises(ProviderFailure) as caught:
        read('{"hello": "world"}')
    assert (caught.value.code, caught.value.retryable) == ("provider-malformed", False)


def test_an_answer_may_be_nothing_but_what_the_hub_does_not_know(read: Reader) -> None:
    """A picture, or a voice: each piece begins or goes on with an answer, and none is lost."""
    answer = read(
        chunk({"role": "assistant", "audio": {"id": "a", "data": "AA"}}, service_tier="flex")
        + chunk({"audio": {"data": "BB"}})
        + chunk({"images": [{"index": 0, "url": "data:,"}]})
        + chunk({}, "stop")
        + DONE
    )
    assert answer.text == ""
    assert answer.choices[0].carried == {
        "audio": {"id": "a", "data": "AABB"},
        "images": [{"index": 0, "url": "data:,"}],
    }
    assert answer.beside == {"service_tier": "flex"}


def test_what_stands_around_the_deltas_waits_for_the_first_of_them() -> None:
    """Until then the answer may be asked for anew."""
    answer = Answer()
    around = {"service_tier": "flex", "prompt_filter_results": [1]}
    assert not any(
        isinstance(part, Delta)
        for part in answer.feed(chunk({"role": "assistant", "content": ""}, **around).encode())
    )
    _, delta = [None, *answer.feed(chunk({"content": "x"}).encode())]
    assert isinstance(delta, Delta)
    assert delta.carried == {("completion", name): value for name, value in around.items()}
    assert answer.feed(chunk({"content": "y"}, **around).encode()) == [Delta(0, "content", "y")]


def test_logprobs_of_a_thought_and_of_a_text_that_is_held_back_are_not_lost(read: Reader) -> None:
    def with_logprobs(number: int, **delta: str) -> str:
        logprobs = {"content": [{"token": str(number)}]}
        return line({"choices": [{"index": 0, "delta": delta, "logprobs": logprobs}]})

    answer = read(
        with_logprobs(1, reasoning="hm")
        + with_logprobs(2, content="<th")
        + with_logprobs(3, content="is")
        + with_logprobs(4, content="!")
        + DONE
    )
    assert (answer.choices[0].reasoning, answer.text) == ("hm", "<this!")
    assert [told["content"][0]["token"] for told in answer.logprobs] == ["1", "2", "3", "4"]


def test_what_a_part_of_the_content_says_beside_its_text_is_kept() -> None:
    answer = Answer()
    text = {"type": "text", "text": "Hi", "annotations": [{"x": 1}]}
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    parts = answer.feed(chunk({"content": [thought, text, {"type": "text", "text": "!"}]}).encode())
    deltas = [part for part in parts if isinstance(part, Delta)]
    assert [(delta.kind, delta.value) for delta in deltas if delta.value] == [
        ("reasoning", "hm"),
        ("content", "Hi"),
        ("content", "!"),
    ]
    carried = [each for delta in deltas if delta.carried for each in delta.carried.values()]
    assert carried == [[{**thought, "thinking": ""}], [{**text, "text": ""}]]
