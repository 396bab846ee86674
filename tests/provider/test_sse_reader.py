"""`text/event-stream` as providers write it, and what they write in its place."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable

import pytest

from tests.provider.conftest import QUESTION, Reader
from tests.provider.reading import DONE, chunk, feed, join
from tests.provider.replay import ReplayServer, Reply
from workers.provider import Delta, ProviderFailure, Providers
from workers.provider.sse_reader import MAX_EVENT_BYTES, EventTooLong, SseReader

BODY = chunk({"content": "a"}) + chunk({"content": "b"}) + chunk({}, "stop") + DONE


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_every_line_end_of_the_standard_is_one(read: Reader, ending: str) -> None:
    assert read(BODY.replace("\n", ending)).text == "ab"


def test_a_byte_order_mark_is_skipped(read: Reader) -> None:
    assert read("\ufeff" + BODY).text == "ab"


def test_a_byte_order_mark_before_a_json_answer_is_skipped(read: Reader) -> None:
    body = '\ufeff\n {"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}'
    assert read(body).text == "x"


def test_no_space_after_the_colon_is_needed(read: Reader) -> None:
    assert read(BODY.replace("data: ", "data:")).text == "ab"


def test_only_one_space_after_the_colon_is_taken_away(read: Reader) -> None:
    assert read(BODY.replace("data: ", "data:  ")).text == "ab"


@pytest.mark.parametrize(
    "comment", [": OPENROUTER PROCESSING\n\n", ": keep-alive\n", ":\n\n", ":data: {\n"]
)
def test_comments_say_nothing(read: Reader, comment: str) -> None:
    assert read(comment + BODY.replace("data: [DONE]", comment + "data: [DONE]")).text == "ab"


def test_several_data_lines_are_one_chunk(read: Reader) -> None:
    lines = ('{"choices": [{"delta":', '{"content": "x"},', '"finish_reason": "stop"}]}')
    assert read("".join(f"data: {line}\n" for line in lines) + "\n").text == "x"


def test_other_fields_and_unknown_lines_are_skipped(read: Reader) -> None:
    assert read("id: 1\nretry: 5\nfoo: bar\nnonsense\n" + BODY).text == "ab"


@pytest.mark.parametrize(
    "event",
    [
        "event: ping\ndata: {}\n\n",
        "event: ping\ndata: 2026-01-01\n\n",
        'event: status\ndata: {"message": "warming up"}\n\n',
        "data:\n\n",
        "data: {}\n\n",
        "event: nothing\n\n",
    ],
)
def test_events_that_are_no_chunks_are_harmless(read: Reader, event: str) -> None:
    assert read(event + BODY.replace("data: [DONE]", event + "data: [DONE]")).text == "ab"


def test_a_chunk_may_name_its_event(read: Reader) -> None:
    assert read(BODY.replace("data: {", "event: completion\ndata: {")).text == "ab"


@pytest.mark.parametrize("data", ["{broken", '{"a":}', "[1, 2]", "17", "hello", '"text"'])
def test_data_that_is_no_chunk_is_malformed(read: Reader, data: str) -> None:
    with pytest.raises(ProviderFailure) as caught:
        read(chunk({"content": "a"}) + f"data: {data}\n\n" + BODY)
    assert caught.value.code == "provider-malformed"


def test_json_nested_beyond_reason_is_malformed() -> None:
    with pytest.raises(ProviderFailure) as caught:
        feed([b"data: " + b"[" * 200_000 + b"\n\n"])
    assert caught.value.code == "provider-malformed"


def test_a_stream_compressed_though_nobody_asked_is_read_as_it_comes(
    server: ReplayServer, asking: Callable[..., Providers]
) -> None:
    """The second delta is sent only when the first has been read."""
    zipped = zlib.compressobj(wbits=31)
    gate = threading.Event()
    first = zipped.compress(chunk({"content": "a"}).encode()) + zipped.flush(zlib.Z_SYNC_FLUSH)
    rest = zipped.compress((chunk({"content": "b"}, "stop") + DONE).encode()) + zipped.flush()
    server.replies = [Reply([first, gate, rest], headers={"Content-Encoding": "gzip"})]
    parts = iter(asking().open(QUESTION))
    read = [next(parts), next(parts)]
    assert read[1] == Delta(0, "content", "a")
    gate.set()
    assert join([*read, *parts]).text == "ab"


@pytest.mark.parametrize("start", [b"data: {", b"data: {\n" * 3, b"{", b": "])
def test_one_event_cannot_grow_without_bound(start: bytes) -> None:
    def flood() -> object:
        yield start
        for _ in range(2 * MAX_EVENT_BYTES // 65536):
            yield b"data: " + b"x" * 65536 if start.endswith(b"\n") else b"x" * 65536

    with pytest.raises(ProviderFailure) as caught:
        feed(flood())  # type: ignore[arg-type]
    assert caught.value.code == "provider-malformed"
    assert "longer than" in caught.value.detail


def test_a_long_event_in_tiny_reads_is_read_in_linear_time() -> None:
    """Copying what is held at every read would take minutes here."""
    body = (chunk({"content": "x" * 2_000_000}) + chunk({}, "stop")).encode()
    assert len(feed(body[at : at + 16] for at in range(0, len(body), 16)).text) == 2_000_000


def test_an_endless_row_of_empty_data_lines_is_not_held() -> None:
    reader = SseReader()
    with pytest.raises(EventTooLong):
        for _ in range(MAX_EVENT_BYTES // 10_000):
            reader.feed(b"data:\n" * 10_000)
