"""The provider's parser beside an independent one: random bytes at random cuts.

`httpx-sse` and `json` read the whole body at once; the parser reads it in pieces. What is a stream
of chunks must say the same to both, and what is anything else must fail in the same words however
it was cut, and never otherwise than by `ProviderFailure`.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

from httpx_sse import SSEError
from httpx_sse._decoders import SSEDecoder
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.provider.reading import DONE, Read, chunk, feed
from workers.provider import ProviderFailure

LINE_END = st.sampled_from(["\n", "\r\n", "\r"])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NOISE = st.sampled_from([": ping", "id: 7", "retry: 5", "event: message", "nonsense", "", ": "])
FRAGMENTS = st.sampled_from(
    [
        chunk({"content": "a"}),
        chunk({"tool_calls": [{"index": 0, "id": "x", "function": {"name": "f"}}]}),
        chunk({}, "stop"),
        'data: {"error": {"message": "on fire"}}\n\n',
        "data: {\n\n",
        "data:\n",
        "event: error\n",
        "\ufeff",
        '{"choices":',
        "\r",
        DONE,
    ]
)


def another_reading(body: bytes) -> str:
    """The text of the answer, by the standard's rules for lines and `httpx-sse`'s for fields."""
    decoder, text = SSEDecoder(), ""
    for line in re.split("\r\n|\r|\n", body.decode().removeprefix("\ufeff")):
        event = decoder.decode(line)
        if event is None or not event.data:
            continue
        if event.data == "[DONE]":
            break
        for choice in json.loads(event.data)["choices"]:
            text += choice["delta"].get("content") or ""
    return text


def cut(body: bytes, borders: list[int]) -> list[bytes]:
    at = sorted({0, len(body), *(border % (len(body) + 1) for border in borders)})
    return [body[begin:end] for begin, end in pairwise(at)]


def outcome(pieces: list[bytes]) -> Read | tuple[str, str]:
    try:
        return feed(pieces)
    except ProviderFailure as error:
        return error.code, error.detail


def said(message: dict[str, Any], *, ascii_only: bool, lines: int) -> str:
    """A chunk as one event, its JSON spread over some `data:` lines."""
    choice = {"index": 0, "delta": message, "finish_reason": None}
    whole = json.dumps({"choices": [choice]}, ensure_ascii=ascii_only, indent=1 if lines else None)
    return "".join(f"data: {line}\n" for line in whole.split("\n")) + "\n"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    texts=st.lists(TEXT, min_size=1, max_size=6),
    noise=st.lists(NOISE, max_size=6),
    ending=LINE_END,
    bom=st.booleans(),
    ascii_only=st.booleans(),
    spread=st.booleans(),
    borders=st.lists(st.integers(0, 10_000), max_size=12),
)
def test_a_stream_says_what_another_parser_reads_in_it(
    texts: list[str],
    noise: list[str],
    ending: str,
    bom: bool,
    ascii_only: bool,
    spread: bool,
    borders: list[int],
) -> None:
    body = "\ufeff" if bom else ""
    body += said({"content": "A"}, ascii_only=ascii_only, lines=spread)
    for number, text in enumerate(texts):
        if number < len(noise):
            body += noise[number] + "\n"
        body += said({"content": text}, ascii_only=ascii_only, lines=spread)
    body += chunk({}, "stop") + DONE
    data = body.replace("\n", ending).encode()
    try:
        expected = another_reading(data)
    except SSEError:
        return
    assert feed(cut(data, borders)).text == expected


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    parts=st.lists(st.one_of(FRAGMENTS.map(str.encode), st.binary(max_size=30)), max_size=8),
    borders=st.lists(st.integers(0, 10_000), max_size=12),
)
@example(parts=[b"\r", b"["], borders=[1])
def test_any_bytes_say_the_same_however_they_are_cut(
    parts: list[bytes], borders: list[int]
) -> None:
    body = b"".join(parts)
    assert outcome(cut(body, borders)) == outcome([body])
