"""`Message`, as flask-sse's API reference describes it."""

from __future__ import annotations

from typing import Any

import flask_sse
import pytest
from flask import Flask

from hub.errors import FieldError
from hub.flask_sse import Message
from hub.sse import Parser


def test_a_message_needs_data() -> None:
    with pytest.raises(TypeError):
        Message()  # type: ignore[call-arg]


def test_what_was_not_given_is_none_and_not_in_the_dictionary() -> None:
    message = Message("foo")

    assert (message.data, message.type, message.id, message.retry) == ("foo", None, None, None)
    assert message.to_dict() == {"data": "foo"}
    assert repr(message) == "Message('foo')"


def test_what_was_given_is_kept() -> None:
    message = Message("foo", type="example", id=5, retry=500)

    assert message.to_dict() == {"data": "foo", "type": "example", "id": 5, "retry": 500}
    assert repr(message) == "Message('foo', type='example', id=5, retry=500)"


def test_messages_compare_by_what_they_say() -> None:
    assert Message("abc") == Message("abc")
    assert Message("abc") != Message("abc", type="example")
    assert Message("abc") != Message("def")
    assert Message("abc") != "abc"


def test_a_message_reads_as_an_event(context: None) -> None:
    message = Message({"b": "x\ny", "a": 1}, type="example", id=5, retry=500)

    (event,) = Parser().feed(str(message).encode())

    assert (event.event, event.id, event.retry_ms) == ("example", "5", 500)
    assert event.data == '{"a": 1, "b": "x\\ny"}', "as the application's JSON provider writes it"


def test_several_lines_are_several_data_lines() -> None:
    assert str(Message("foo\nbar")).split() == ["data:", "foo", "data:", "bar"]


def test_the_application_s_json_provider_serialises(app: Flask) -> None:
    class Thing:
        def __html__(self) -> str:
            return "a thing"

    with app.app_context():
        assert str(Message([Thing()])) == 'data: ["a thing"]\n\n'


@pytest.mark.parametrize("end", ["\n", "\r", "\0"])
@pytest.mark.parametrize("field", ["type", "id"])
def test_nothing_breaks_out_of_its_field(field: str, end: str) -> None:
    with pytest.raises(FieldError, match=field):
        str(Message("x", **{field: f"a{end}data: b"}))


@pytest.mark.parametrize("retry", [500, "500"])
def test_a_retry_is_milliseconds_as_a_number_or_as_digits(retry: int | str) -> None:
    assert str(Message("x", retry=retry)) == "retry: 500\ndata: x\n\n"


@pytest.mark.parametrize("retry", ["soon", "1.5", "-1", "5\ndata: b", "٣"])
def test_a_retry_that_no_listener_can_read_is_refused(retry: str) -> None:
    with pytest.raises(FieldError, match="retry"):
        str(Message("x", retry=retry))


_VALUES: tuple[Any, ...] = (None, 5, 1.5, True, [], {}, {"b": 1, "a": [None]})


@pytest.mark.parametrize(
    "given",
    [
        *({"data": text} for text in ("x", "a\nb", "a\r\nb", "a\rb", "é 🌊", '{"b":1}', "\0")),
        *({"data": value} for value in _VALUES),
        *({"data": "x", "type": name} for name in ("open", "error", "a b", "", 5, "é")),
        *({"data": "x", "id": own} for own in (5, 0, "", "a b", "é", "x" * 200)),
        *({"data": "x", "retry": retry} for retry in (500, "500", 0, None)),
    ],
    ids=repr,
)
def test_a_reader_gets_what_flask_sse_s_own_message_says(
    context: None, given: dict[str, Any]
) -> None:
    ours, theirs = Message(**given), flask_sse.Message(**given)

    assert [*Parser().feed(str(ours).encode())] == [*Parser().feed(str(theirs).encode())]
    assert (ours.to_dict(), repr(ours)) == (theirs.to_dict(), repr(theirs))


def test_what_differs_from_flask_sse_s_messages_is_what_the_documentation_says(
    context: None,
) -> None:
    """`docs/from-code.md` has the table."""
    told: dict[str, list[str]] = {
        "": [],
        " x": ["x"],
        "a\n": ["a"],
        "a\u2028b": ["a\nb"],
        "a\x0bb": ["a\nb"],
    }
    for data, by_theirs in told.items():
        theirs = Parser().feed(str(flask_sse.Message(data)).encode())
        assert [event.data for event in theirs] == by_theirs
        assert [event.data for event in Parser().feed(str(Message(data)).encode())] == [data]
