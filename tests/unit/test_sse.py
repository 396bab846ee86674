"""`text/event-stream`, both ways."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import sse
from hub.event import Event
from hub.sse import Parsed, Parser


def parsed(data: bytes) -> list[Parsed]:
    return list(Parser().feed(data))


def events(data: bytes) -> list[tuple[str, str, str]]:
    return [(event.event, event.data, event.id) for event in parsed(data)]


# The examples of HTML §9.2.6, under the words that introduce them there.


def test_the_following_event_stream_once_followed_by_a_blank_line() -> None:
    assert events(b"data: YHOO\ndata: +2\ndata: 10\n\n") == [("message", "YHOO\n+2\n10", "")]


def test_the_following_stream_contains_four_blocks() -> None:
    stream = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third\n"
    assert events(stream + b"\n") == [
        ("message", "first event", "1"),
        ("message", "second event", ""),
        ("message", " third", ""),
    ]
    assert events(stream) == events(stream + b"\n")[:2]


def test_the_following_stream_fires_two_events() -> None:
    assert events(b"data\n\ndata\ndata\n\ndata:") == [("message", "", ""), ("message", "\n", "")]


def test_the_following_stream_fires_two_identical_events() -> None:
    assert events(b"data:test\n\ndata: test\n\n") == [("message", "test", "")] * 2


def test_an_id_with_nul_is_ignored() -> None:
    assert events(b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n") == [
        ("message", "a", "1"),
        ("message", "b", "1"),
    ]


NASTY = [
    b"",
    b"\xef\xbb\xbfdata: bom\n\n",
    b"data: a\r\n\r\ndata: b\r\rdata: c\n\n",
    b"data: a\r\ndata: b\rdata: c\n\n",
    b"event: x\ndata: 1\n\ndata: 2\n\n",
    b"event: x\n\ndata: 1\n\n",
    b"id: 1\nid: 2\ndata: x\n\n",
    b"id: a\0b\ndata: x\n\n",
    b"id: 7\n\ndata: x\n\n",
    b"retry: 10\ndata: x\n\nretry: 1x\ndata: y\n\n",
    b":\n:\n: c\ndata: x\n\n",
    b"nonsense: 1\n data: x\ndata : y\nDATA: z\ndata: w\n\n",
    "data: ünï©ödé 🙂\u2028\u0085\x0b\x0c\n\n".encode(),
    b"data: \xff\xfe\xc3\n\n",
    b"data: x",
    b"data: x\n",
    b"data: x\n\r\n",
    b"\n\n\ndata: x\n\n\n\n",
]


@pytest.mark.parametrize("stream", NASTY, ids=repr)
def test_the_borders_between_reads_do_not_matter(stream: bytes) -> None:
    whole = parsed(stream)
    for size in range(1, 6):
        parser, pieces = Parser(), [stream[i : i + size] for i in range(0, len(stream), size)]
        found = [event for piece in pieces for event in parser.feed(piece)]
        # A CR at the very end may be half a CRLF: it is decided by what follows.
        assert found == whole


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_encoded_is_heard_as_it_was_but_for_its_line_ends(seed: int) -> None:
    random = Random(seed)
    alphabet = [
        "\n",
        "\r",
        "\r\n",
        " ",
        ":",
        "data",
        "id: 1",
        "x",
        "ü",
        "🙂",
        "\0",
        "\ufeff",
        "\u2028",
    ]
    sent = [
        Event(
            "".join(random.choices(alphabet, k=random.randint(0, 12))), random.choice([None, "t"])
        )
        for _ in range(30)
    ]
    stream = b"".join(sse.encode(event, f"{n}-0") for n, event in enumerate(sent))
    expected = [
        (event.type or "message", event.data.replace("\r\n", "\n").replace("\r", "\n"), f"{n}-0")
        for n, event in enumerate(sent)
    ]
    assert events(stream) == expected
    frames = sse.split_frames(stream)
    assert [sse.frame_id(frame) for frame in frames] == [f"{n}-0" for n in range(30)]
    assert b"".join(frames) == stream
    assert [sse.without_id(frame) for frame in frames] == [sse.encode_body(e) for e in sent]


def test_a_frame_has_no_blank_line_but_its_last() -> None:
    frame = sse.encode(Event("a\n\n\nb\r\n\r\n", "x", 5), "1-0")
    assert (
        frame
        == b"id: 1-0\nevent: x\nretry: 5\ndata: a\ndata: \ndata: \ndata: b\ndata: \ndata: \n\n"
    )


def test_a_comment_and_a_retry_make_no_event() -> None:
    assert sse.comment() == b":\n"
    assert sse.comment(" hello") == b": hello\n"
    assert sse.retry(5) == b"retry: 5\n"
    assert events(sse.comment() * 3 + sse.retry(5) + b"data: x\n\n") == [("message", "x", "")]


def test_comments_are_counted() -> None:
    parser = Parser()
    assert list(parser.feed(b":\n:\ndata: x\n")) == []
    assert parser.comments == 2


def test_a_retry_belongs_to_its_event() -> None:
    [first, second] = parsed(b"retry: 7\ndata: x\n\ndata: y\n\n")
    assert (first.retry_ms, second.retry_ms) == (7, None)


def test_the_end_gives_what_had_no_blank_line_yet() -> None:
    for tail in (b"data: x", b"data: x\n", b"data: x\r", b"data: x\r\n"):
        parser = Parser()
        assert [e.data for e in [*parser.feed(tail), *parser.end()]] == ["x"], tail


@given(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from([None, "notice", "a.b-c_1"]),
    st.sampled_from([None, 0, 1500]),
    st.sampled_from([None, "1-0", "own~id"]),
)
def test_a_frame_decoded_straight_says_what_a_parser_of_the_standard_says(
    data: str, kind: str | None, retry_ms: int | None, event_id: str | None
) -> None:
    frame = sse.encode(Event(data, kind, retry_ms), event_id)
    assert sse.decode(frame) == next(sse.Parser().feed(frame))


@pytest.mark.parametrize("data", ["", "\n", "data: x", "x\ndata: y\n", "id: 7\nevent: z", "\r\n\r"])
def test_data_that_looks_like_fields_stays_data(data: str) -> None:
    frame = sse.encode(Event(data, "notice"), "1-0")
    assert sse.decode(frame) == next(sse.Parser().feed(frame))
