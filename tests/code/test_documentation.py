"""docs/from-code.md: what it shows is run as it stands, on this test's Redis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.documentation import blocks
from tests.support.valkey import Valkey


@pytest.fixture
def shown(valkey: Valkey) -> Iterator[dict[str, Any]]:
    code = "\n".join(blocks("from-code.md", "python"))
    code = code.replace("redis://127.0.0.1:6379", valkey.url)
    names: dict[str, Any] = {"__name__": "docs"}
    exec(compile(code, "docs/from-code.md", "exec"), names)
    yield names
    names["hub"].close()


def test_the_page_s_code_runs_from_its_first_line_to_its_last(
    shown: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown["event_id"]
    assert len(shown["ids"]) == 3
    with shown["app"].test_client() as client:
        assert client.get("/send_message").text == "Message sent!"


def test_what_the_page_prints_is_what_it_says(
    capsys: pytest.CaptureFixture[str], shown: dict[str, Any]
) -> None:
    printed = capsys.readouterr().out

    assert 'notice {"title":"three"}' in printed
    assert '{"channel":"news","after":"an-id-from-elsewhere","reason":"unknown-id"}' in printed
