"""Tool calls, with and without index, id and name where they belong."""

from __future__ import annotations

from typing import Any

import pytest

from tests.provider.conftest import Reader
from tests.provider.reading import DONE, chunk
from workers.provider.tool_calls import PATIENCE, ToolCalls


def piece(arguments: object = None, name: str | None = None, **fields: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {
        **fields,
        "function": {key: value for key, value in function.items() if value is not None},
    }


def call(name: str, arguments: str, call_id: str) -> dict[str, str]:
    return {"id": call_id, "type": "function", "name": name, "arguments": arguments}


def calls(*pieces: list[dict[str, Any]] | None) -> str:
    body = "".join(chunk({"tool_calls": piece}) for piece in pieces)
    return body + chunk({}, "tool_calls") + DONE


def test_openai_s_own_pieces_are_joined_by_index(read: Reader) -> None:
    answer = read(
        calls(
            [piece("", "f", index=0, id="a", type="function")],
            [piece('{"x":', index=0)],
            [piece("1}", index=0)],
            [piece("", "g", index=1, id="b", type="function")],
            [piece("{}", index=1)],
        )
    )
    assert answer.choices[0].tool_calls == [call("f", '{"x":1}', "a"), call("g", "{}", "b")]
    assert answer.finish == "tool_calls"


def test_pieces_without_an_index_belong_to_the_call_that_is_open(read: Reader) -> None:
    answer = read(
        calls([piece("{", "f", id="a")], [piece("}")], [piece("[", "g", id="b")], [piece("]")])
    )
    assert answer.choices[0].tool_calls == [call("f", "{}", "a"), call("g", "[]", "b")]


def test_a_call_without_an_id_gets_one(read: Reader) -> None:
    answer = read(calls([piece("{}", "f"), piece("{}", "g")]))
    assert answer.choices[0].tool_calls == [call("f", "{}", "call_0"), call("g", "{}", "call_1")]


def test_parallel_calls_that_all_say_index_0_are_kept_apart(read: Reader) -> None:
    answer = read(calls([piece("{}", "f", index=0, id="a")], [piece("{}", "g", index=0, id="b")]))
    assert answer.choices[0].tool_calls == [call("f", "{}", "a"), call("g", "{}", "b")]


def test_an_id_and_a_name_repeated_with_every_piece_are_said_once(read: Reader) -> None:
    answer = read(calls([piece("{", "f", index=0, id="a")], [piece("}", "f", index=0, id="a")]))
    assert answer.choices[0].tool_calls == [call("f", "{}", "a")]


@pytest.mark.parametrize("index", [{"index": 0}, {}])
@pytest.mark.parametrize("late", [piece("}", id="a"), piece(id="a"), piece("", "f", id="a")])
def test_an_id_that_comes_late_is_the_call_s_own(
    read: Reader, index: dict[str, int], late: dict[str, Any]
) -> None:
    first = piece("{" if late["function"].get("arguments") == "}" else "{}", "f", **index)
    answer = read(calls([first], [{**late, **index}], [piece("{}", "g", id="b")]))
    assert answer.choices[0].tool_calls == [call("f", "{}", "a"), call("g", "{}", "b")]


def test_an_id_is_not_awaited_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    reading = ToolCalls()
    told = [reading.read([piece("x", "f" if n == 0 else None, index=0)]) for n in range(PATIENCE)]
    assert told == [[]] * PATIENCE
    (begun,) = reading.read([piece("x", index=0)])
    arguments = {"name": "f", "arguments": "x" * (PATIENCE + 1)}
    assert begun == {"index": 0, "id": "call_0", "type": "function", "function": arguments}
    assert reading.read([piece("y", index=0)]) == [piece("y", index=0)]
    assert reading.read([piece(index=0, id="late")]) == []
    assert "its own came too late" in caplog.text


def test_two_calls_may_have_one_id_where_their_indexes_differ(read: Reader) -> None:
    answer = read(
        calls([piece("{", "f", index=0, id="a"), piece("{", "g", index=1, id="a")]).replace(
            DONE, ""
        )
        + calls([piece("}", index=1), piece("}", index=0)])
    )
    assert answer.choices[0].tool_calls == [call("f", "{}", "a"), call("g", "{}", "a")]


def test_a_call_s_name_and_arguments_may_stand_in_the_call_itself(read: Reader) -> None:
    answer = read(
        calls([{"index": "0", "id": "a", "name": "f", "arguments": "{"}], [{"arguments": "}"}])
    )
    assert answer.choices[0].tool_calls == [call("f", "{}", "a")]


def test_indexes_that_do_not_start_at_0_are_counted_anew(read: Reader) -> None:
    answer = read(calls([piece("{", "f", index=1, id="a")], [piece("}", index=1)]))
    assert answer.choices[0].tool_calls == [call("f", "{}", "a")]


def test_an_always_present_empty_list_is_no_tool_call(read: Reader) -> None:
    answer = read(
        chunk({"content": "a", "tool_calls": []})
        + chunk({"content": "b", "tool_calls": None})
        + chunk({"tool_calls": []}, "stop")
    )
    assert (answer.text, answer.choices[0].tool_calls) == ("ab", [])


def test_arguments_given_as_an_object_become_their_json(read: Reader) -> None:
    answer = read(calls([piece({"city": "Köln"}, "f", index=0, id="a")]))
    assert answer.choices[0].tool_calls == [call("f", '{"city":"Köln"}', "a")]


def test_the_old_function_call_is_a_tool_call(read: Reader) -> None:
    answer = read(
        chunk({"function_call": {"name": "f", "arguments": "{"}})
        + chunk({"function_call": {"arguments": "}"}})
        + chunk({}, "function_call")
    )
    assert answer.choices[0].tool_calls == [call("f", "{}", "call_0")]


def test_pieces_that_are_no_objects_are_left_out(read: Reader) -> None:
    answer = read(calls([None, "x", piece("{}", "f", index=0, id="a")]))  # type: ignore[list-item]
    assert answer.choices[0].tool_calls == [call("f", "{}", "a")]
