"""The corners of `text/event-stream` (HTML §9.2.6), for all three parsers: the hub's, the one that
reads providers, and the browser module's. The cases follow `eventsource/format-*` of
web-platform-tests.

Each stream is read at once, byte by byte and cut in two at every border.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub import sse
from tests.support.real import node_binary
from workers.provider.sse_reader import SseReader

HERE = Path(__file__).parent
CASES: list[dict[str, Any]] = json.loads((HERE / "eventsource_format.json").read_text())
cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])

Read = Callable[[bytes], list[Any]]


def cuts(stream: bytes) -> Iterator[list[bytes]]:
    yield [stream]
    yield [stream[at : at + 1] for at in range(len(stream))]
    borders = range(1, len(stream)) if len(stream) < 500 else range(1, len(stream), 97)
    yield from ([stream[:at], stream[at:]] for at in borders)


@cases
def test_the_hub_s_parser_has_it_as_the_standard_has_it(case: dict[str, Any]) -> None:
    for pieces in cuts(case["stream"].encode()):
        parser = sse.Parser()
        found = [e for piece in pieces for e in parser.feed(piece)]
        assert [[e.event, e.data, e.id] for e in found] == case["events"]


@cases
def test_the_reader_of_providers_has_it_too_but_for_the_ids(case: dict[str, Any]) -> None:
    expected = [[event, data] for event, data, _ in case["events"]]
    for pieces in cuts(case["stream"].encode()):
        reader = SseReader()
        found = [e for piece in pieces for e in reader.feed(piece)]
        assert [[e.name or "message", e.data.decode()] for e in found] == expected


def test_the_browser_module_s_parser_has_it_too() -> None:
    node = node_binary()
    program = HERE / "eventsource_format.test.mjs"
    done = subprocess.run(
        [node, "--test", str(program)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
